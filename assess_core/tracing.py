"""Traces with OpenTelemetry: one trace leads from an HTTP request through a header of the log to the fold.

Only this file names spans. Without `start`, spans cost nothing and no header is written. A span has the template of a
route, a status and a position in the log. It never has ids of learners, answers or tokens.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from assess_core.errors import BadSettings

HEADER: Final = "traceparent"
"""The header of HTTP and of the log (W3C Trace Context)."""
APPEND: Final = "append to the log"
FOLD_BATCH: Final = "fold a batch"
FOLD_EVENT: Final = "fold an event"
MOST_EVENTS: Final = 100
"""The events of a batch that get a span; a batch has up to 4,000."""

_PATIENCE: Final = 2.0  # seconds for the collector; the end of a process waits as long
_PARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z", re.ASCII)
_propagator: Final = TraceContextTextMapPropagator()


class _Tracing:
    """The tracer of this process; None until `use`."""

    tracer: trace.Tracer | None = None


def start(collector: str, service: str) -> None:
    """Send spans to a collector (OTLP over HTTP), such as `http://127.0.0.1:4318`. Empty: do nothing.

    If the collector does not answer, spans are lost and nothing else happens. Raises `BadSettings` without the SDK.
    """
    if not collector:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise BadSettings(
            f"ASSESS_TRACES: {error.name} is not installed; pip install 'assessment-lakehouse[traces]'"
        ) from error
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # otherwise three warnings before each error
    provider = SdkProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces", timeout=_PATIENCE)))
    use(provider)


def use(provider: TracerProvider | None) -> None:
    """Make spans with this provider; None ends it."""
    _Tracing.tracer = provider.get_tracer("assess") if provider is not None else None


def is_on() -> bool:
    """Whether spans are made."""
    return _Tracing.tracer is not None


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, parent: str = "", links: Iterable[str] = ()
) -> Iterator[Span | None]:
    """A span around the block; None if tracing is off. `parent` and `links` are values of `HEADER`.

    Without a valid `parent`, the span belongs to the current one. An exception of the block marks it as failed.
    """
    tracer = _Tracing.tracer
    if tracer is None:
        yield None
        return
    linked = [Link(trace.get_current_span(_context(text)).get_span_context()) for text in links if is_parent(text)]
    context = _context(parent) if is_parent(parent) else None
    made: Span
    with tracer.start_as_current_span(
        name, context, kind, links=linked, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except Exception:
            fail(made)  # without the message, which can have text of a client
            raise


def current() -> str:
    """The value of `HEADER` for the current span; empty if tracing is off."""
    carrier: dict[str, str] = {}
    if is_on():
        _propagator.inject(carrier)
    return carrier.get(HEADER, "")


def is_parent(text: str) -> bool:
    """Whether a text is a value of `HEADER`. Clients send it, so nothing else of it is used."""
    return _PARENT.match(text) is not None


def fail(made: Span) -> None:
    """Mark a span as failed."""
    made.set_status(Status(StatusCode.ERROR))


def _context(text: str) -> Context:
    return _propagator.extract({HEADER: text})
