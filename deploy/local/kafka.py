"""Kafka: one node that is broker and controller, with the topics that `assess` uses."""

import base64
import shutil
import socket
import struct
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Final

from deploy.local import packages
from deploy.local.addresses import Addresses
from deploy.local.errors import CannotServe
from deploy.local.processes import run
from deploy.local.server import Server

TOPIC: Final = "assess"
FAILED: Final = f"{TOPIC}.failed"  # the default of `assess` for failed events
GROUP: Final = "assess"
PARTITIONS: Final = 4
_LARGEST_FAILED: Final = 16 * 1024 * 1024 + 4096  # the largest event, with its reason and position
_CREATE_TOPICS, _API_VERSIONS = 19, 18
_OK, _EXISTS = 0, 36


class Kafka:
    """The broker of an instance."""

    def __init__(self, folder: Path, addresses: Addresses, notify: packages.Notify) -> None:
        self._addresses, self._notify = addresses, notify
        self._server = Server("kafka", folder / "kafka", addresses.at("kafka"))

    def servers(self) -> Sequence[Server]:
        return [self._server]

    def fetch(self) -> None:
        packages.java()
        packages.jars("kafka", self._notify)

    def command(self, server: Server) -> Sequence[str]:
        conf, data = server.home / "kafka.properties", server.home / "data"
        self._configure(conf, data)
        lib = packages.jars("kafka", self._notify)
        java = [
            packages.java(),
            *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
            f"-Dlog4j2.configurationFile={packages.CONF}/kafka.log4j2.properties",
            f"-XX:ErrorFile={server.home}/hs_err.log",
            *("-cp", f"{lib}/*"),
        ]
        if not (data / "meta.properties").exists():
            half = server.home / "data.half"
            shutil.rmtree(half, ignore_errors=True)  # of a start that was killed
            shutil.copytree(self._formatted(lib.name, java), half)
            # an id of its own; Kafka adds one of the folder
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
            meta = f"version=1\nnode.id=1\ncluster.id={cluster}\n"
            (half / "meta.properties").write_text(meta, encoding="ascii")
            half.rename(data)
        return [*java, "kafka.Kafka", str(conf)]

    def _configure(self, conf: Path, data: Path) -> None:
        values = {
            "HOST": self._addresses.host(),
            "KAFKA_PORT": self._addresses.ports["kafka"],
            "CONTROLLER_PORT": self._addresses.ports["controller"],
            "DATA": data,
        }
        template = Template((packages.CONF / "kafka.properties").read_text(encoding="utf-8"))
        conf.write_text(template.substitute(values), encoding="utf-8")

    def _formatted(self, name: str, java: Sequence[str]) -> Path:
        """An empty log with the features of this Kafka, made once: its tool takes a second of processor time."""

        def make(folder: Path) -> None:
            conf = folder / "kafka.properties"
            self._configure(conf, folder / "data")
            tool = [*java, "kafka.tools.StorageTool", "format", "-t", "A" * 22, "-c", str(conf)]
            run(tool, "formatting Kafka's log")

        return packages.cached(f"{name}-log", make, self._notify) / "data"

    def answers(self, server: Server) -> bool:
        try:
            return _ask(server.address, _API_VERSIONS, 0, b"")[:2] == b"\0\0"
        except OSError:
            return False

    def settle(self) -> None:
        """Create the topics. *Received at* is the time of the append; 4 partitions allow 4 processes."""
        self._make(TOPIC, PARTITIONS, {"message.timestamp.type": "LogAppendTime"})
        self._make(FAILED, 1, {"max.message.bytes": str(_LARGEST_FAILED)})

    def exports(self) -> dict[str, str]:
        return {"ASSESS_LOG": f"kafka://{self._server.address}/{TOPIC}?group={GROUP}"}

    def _make(self, topic: str, partitions: int, settings: Mapping[str, str]) -> None:
        options = b"".join(_text(name) + _text(value) for name, value in settings.items())
        asked = b"".join(
            [
                struct.pack(">i", 1) + _text(topic) + struct.pack(">ihi", partitions, 1, 0),
                struct.pack(">i", len(settings)) + options,
                struct.pack(">i?", 10_000, False),  # timeout in ms; False: not only a check
            ]
        )
        for _ in range(20):
            reply = _ask(self._server.address, _CREATE_TOPICS, 2, asked)
            at = 4 + 4 + 2 + len(topic)  # throttle time, number of topics, name of the topic
            (code,) = struct.unpack_from(">h", reply, at)
            if code in (_OK, _EXISTS):
                if code == _OK:
                    self._notify(f"created topic {topic}")
                return
            time.sleep(0.2)  # the controller may not know the broker yet
        raise CannotServe(f"Kafka refuses the topic {topic} (error {code} of its protocol); see its log")


def _ask(address: str, request: int, version: int, body: bytes) -> bytes:
    """Send one request in Kafka's protocol; returns the body of the reply. Kafka's Java tools would take a second."""
    host, _, port = address.rpartition(":")
    head = struct.pack(">hhi", request, version, 0) + _text("servers")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(struct.pack(">i", len(head + body)) + head + body)
        with connection.makefile("rb") as replies:
            (size,) = struct.unpack(">i", _whole(replies.read(4), 4))
            return _whole(replies.read(size), size)[4:]  # the first 4 bytes are the number of the request


def _whole(got: bytes, size: int) -> bytes:
    if len(got) != size:
        raise OSError("the broker closed the connection")
    return got


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode("ascii")
