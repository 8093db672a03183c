"""The dataflow: connects source, decoding and sink."""

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from stream.steps import DecodedBatch, Delivery, decode_batch


def build_flow(source: Source[Delivery], sink: Sink[DecodedBatch]) -> Dataflow:
    """Reads batches, decodes them, and writes them to the sink, which commits their positions.

    One item is one batch. The flow has no keyed operator: it would send records to other workers, and positions would
    be committed before their records are stored.
    """
    flow = Dataflow("assess")
    batches = op.input("log", flow, source)
    decoded = op.map("decode", batches, decode_batch)
    op.output("store", decoded, sink)
    return flow
