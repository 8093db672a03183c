"""Traces: one trace from the HTTP request through the header of Kafka to the fold, and none without the setting."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from assess_core import tracing
from assess_core.domain.events import Record
from assess_core.errors import StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import LogBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.folding import Checks
from graphql_api.app import create_app
from stream.runs import Run
from stream.sinks import Target, traced
from stream.steps import Delivery, decode_batch
from tests.api.client import Http, client
from tests.api.conftest import http as http
from tests.api.writes import STATE, item, request_body
from tests.kafka_topics import Topic, create_topic
from tests.loop import queries

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def names(exporter: InMemorySpanExporter, trace: str = TRACE) -> list[str]:
    """The names of the spans of a trace, in the order in which they ended."""
    return [span.name for span in exporter.get_finished_spans() if trace_of(span) == trace]


def submit(http: Http, **headers: str) -> int:
    body = request_body(assessments=[item(userId="learner-7")])
    return http.patch(STATE, json=body, headers={"x-request-id": "r1", **headers}).status_code


def test_one_trace_leads_from_the_request_through_kafka_to_the_fold(
    spans: InMemorySpanExporter, stores: Stores, kafka_brokers: str
) -> None:
    topic = Topic(kafka_brokers, f"traces-{uuid4()}")
    create_topic(topic.brokers, topic.name)
    create_topic(topic.brokers, f"{topic.name}.failed", partitions=1)
    log = topic.log
    intake = log.intake()
    with client(create_app(queries(stores), intake)) as http:
        assert submit(http, traceparent=PARENT) == 200
    intake.close()
    feed = log.feed(print)
    delivered = next(batch for _ in range(100) for batch in feed.batches())
    Target(stores.hot, Checks(NoFacts())).fold(decode_batch(Delivery(delivered, feed)), Run())
    feed.close()

    found = names(spans)
    assert found == [tracing.APPEND, f"PATCH {STATE}", tracing.FOLD_EVENT]
    [batch] = [span for span in spans.get_finished_spans() if span.name == tracing.FOLD_BATCH]
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == [TRACE]
    assert stores.hot.learners(["learner-7"])
    assert "learner-7" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_a_request_has_its_route_and_status_and_never_its_path(spans: InMemorySpanExporter, http: Http) -> None:
    http.get("/learner-7/secret?token=x", headers={"traceparent": PARENT})
    [span] = spans.get_finished_spans()
    assert (span.name, trace_of(span)) == ("GET unknown", TRACE)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "unknown",
        "http.response.status_code": 404,
    }
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("given", ["", "x" * 100_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff" + PARENT[2:]])
def test_an_invalid_parent_begins_a_new_trace(spans: InMemorySpanExporter, http: Http, given: str) -> None:
    assert http.get("/health", headers={"traceparent": given}).status_code == 200
    [span] = spans.get_finished_spans()
    assert span.parent is None


def batch(count: int, trace: str = PARENT) -> LogBatch:
    return LogBatch([Record("t", 0, n, b"{}", trace=trace) for n in range(count)], {}, count)


def test_a_large_batch_makes_a_bounded_number_of_spans(spans: InMemorySpanExporter) -> None:
    with traced(batch(1000)):
        pass
    assert len(spans.get_finished_spans()) == tracing.MOST_EVENTS + 1


def test_a_failed_fold_is_marked_without_its_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(StoreUnavailable), traced(batch(1)):
        raise StoreUnavailable("learner-7")
    assert {span.status.status_code for span in spans.get_finished_spans()} == {StatusCode.ERROR}
    assert "learner-7" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_without_the_setting_no_span_is_made_and_no_header_is_written() -> None:
    tracing.start("", "assess-api")
    assert not tracing.is_on()
    assert tracing.current() == ""
    with tracing.span(tracing.APPEND) as made, traced(batch(1)):
        assert made is None


def test_a_collector_that_does_not_answer_disturbs_nothing(http: Http) -> None:
    tracing.start("http://127.0.0.1:9", "assess-api")
    try:
        assert tracing.is_on()
        assert http.get("/health").status_code == 200
        assert json.loads(http.get("/health").text) == {"status": "ok"}
    finally:
        tracing.use(None)
