"""A port for the metrics of a process without an API, such as a stream on Kubernetes."""

import re
from typing import Final

from prometheus_client import start_http_server

from assess_core.adapters.metrics.exposition import registry_of
from assess_core.adapters.metrics.memory import MemoryMeter
from assess_core.errors import BadSettings

_ADDRESS: Final = re.compile(r"([A-Za-z0-9.-]{1,253}):([0-9]{1,5})\Z", re.ASCII)


def serve(address: str) -> MemoryMeter:
    """Serve `/metrics` at `HOST:PORT` until the process ends. Raises `BadSettings`."""
    found = _ADDRESS.match(address)
    if found is None or int(found[2]) > 65535:
        raise BadSettings(f"--metrics: {address[:80]!r} is not an address; write it like 127.0.0.1:9464")
    meter = MemoryMeter()
    try:
        start_http_server(int(found[2]), found[1], registry_of(lambda: [meter.numbers()]))
    except OSError as error:
        raise BadSettings(f"--metrics {address}: {error.strerror or error}; choose another address") from error
    return meter
