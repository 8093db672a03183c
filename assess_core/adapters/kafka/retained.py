"""All records that a topic still has, read independently of the stream."""

import time
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from assess_core.adapters.kafka.client import TIMEOUT, CallbackErrors, make
from assess_core.adapters.kafka.lag import Lag
from assess_core.adapters.kafka.records import CHUNK, to_record
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.domain.events import Record
from assess_core.errors import StoreUnavailable
from assess_core.ports.log import BATCH_BYTES, BATCH_RECORDS, LogBatch, Part, Retained

_LOOK: Final = 0.1  # seconds
_SILENCE: Final = 10.0  # seconds without an answer that count as a failure
_READER: Final[dict[str, object]] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": 32 * 1024,
    "allow.auto.create.topics": False,
}


def retained(url: KafkaUrl, lag: Callable[[], list[Lag]]) -> Retained:
    """The current positions, and the records of each partition up to its end when it is read. Commits nothing.

    The caller reads the stores in between, so these records include everything that the stream stores meanwhile.
    """
    return Retained({(url.topic, each.partition): each.next for each in lag()}, _parts(url, lag))


def _parts(url: KafkaUrl, lag: Callable[[], list[Lag]]) -> Iterator[Part]:
    for each in lag():
        yield Part(each.start > 0, _read(url, each))


def received_at(url: KafkaUrl, lag: Callable[[], list[Lag]], moments: Collection[int]) -> Iterator[LogBatch]:
    """Of each partition and moment (epoch ms), the first records with this timestamp or a later one.

    Without LogAppendTime the senders stamp the records, and there is no such record to find.
    """
    for each in lag():
        for moment in sorted(set(moments)):
            yield from islice(_read(url, each, since=moment), 1)


def _read(url: KafkaUrl, partition: Lag, since: int | None = None) -> Iterator[LogBatch]:
    if partition.start == partition.end:
        return
    callback_errors = CallbackErrors()
    consumer = make(Consumer, url.client({**_READER, "group.id": url.group, "error_cb": callback_errors}), url)
    try:
        start = partition.start
        if since is not None:
            [found] = consumer.offsets_for_times([TopicPartition(url.topic, partition.partition, since)], TIMEOUT)
            if found.offset < 0 or found.offset >= partition.end:
                return
            start = found.offset
        consumer.assign([TopicPartition(url.topic, partition.partition, start)])
        yield from _batches(consumer, partition.end, url, callback_errors)
    finally:
        consumer.close()


def _batches(consumer: Consumer, end: int, url: KafkaUrl, callback_errors: CallbackErrors) -> Iterator[LogBatch]:
    answered, ended = time.monotonic(), False
    records: list[Record] = []
    size = 0
    while not ended:
        messages = consumer.consume(CHUNK, _LOOK)
        if messages:
            answered = time.monotonic()
        elif time.monotonic() - answered > _SILENCE:
            why = url.without_secrets(next((each.str() for each in callback_errors.take()), "no answer"))
            raise StoreUnavailable(f"Kafka at {url.brokers} delivers no records: {why}; start it")
        for message in messages:
            record, error = to_record(message), message.error()
            if record is not None and record.offset < end:
                records.append(record)
                size += len(record.raw)
            # the last offsets may have no record: the end of a transaction, or a record that compaction removed
            is_last = record is not None and record.offset >= end - 1
            ended = ended or is_last or (error is not None and error.name() == "_PARTITION_EOF")
            if len(records) >= BATCH_RECORDS or size >= BATCH_BYTES:
                yield LogBatch(records, {}, size)
                records, size = [], 0
    if records:
        yield LogBatch(records, {}, size)
