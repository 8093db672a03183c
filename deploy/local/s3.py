"""S3: SeaweedFS in one process, with a bucket for lake and exhausts."""

import hashlib
import hmac
import http.client
import json
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.local import packages
from deploy.local.addresses import Addresses
from deploy.local.errors import CannotServe
from deploy.local.server import Server

BUCKET: Final = "assess"
REGION: Final = "us-east-1"
_PROBE: Final = f"/{BUCKET}/.servers"
_PARTS: Final = ("master", "volume", "filer", "s3")


class S3:
    """The object store of an instance, and its only key."""

    def __init__(self, folder: Path, addresses: Addresses, notify: packages.Notify) -> None:
        self._addresses, self._notify = addresses, notify
        sockets = [Path(f"/tmp/seaweedfs-{part}-grpc-{addresses.ports[f'{part}-grpc']}.sock") for part in _PARTS]
        # after SIGTERM it refuses requests immediately, then waits 15 s for connections between its own parts
        self._server = Server("s3", folder / "s3", addresses.at("s3"), patience=1.0, litter=sockets)
        self._keys = self._server.home / "s3.json"

    def servers(self) -> Sequence[Server]:
        return [self._server]

    def fetch(self) -> None:
        packages.weed(self._notify)

    def command(self, server: Server) -> Sequence[str]:
        if not self._keys.exists():
            key = {"accessKey": "assess", "secretKey": secrets.token_hex(20)}
            identity = {
                "name": "assess",
                "credentials": [key],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
            with open(os.open(self._keys, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                json.dump({"identities": [identity]}, file)
        data = server.home / "data"
        data.mkdir(exist_ok=True)
        host, ports = self._addresses.host(), self._addresses.ports
        listen = [f"-{part}.port={ports[part]}" for part in _PARTS]
        listen += [f"-{part}.port.grpc={ports[f'{part}-grpc']}" for part in _PARTS]
        return [
            *(str(packages.weed(self._notify)), "server", f"-dir={data}", f"-ip={host}", f"-ip.bind={host}", *listen),
            *("-s3", f"-s3.config={self._keys}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            # sockets in its folder: two instances would share sockets below /tmp
            *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
            *("-volume.max=20", "-master.volumeSizeLimitMB=512", "-volume.preStopSeconds=0"),
            *("-master.electionTimeout=1s", "-master.telemetry=false"),  # with 10 s, a second start takes 14 s
        ]

    def answers(self, server: Server) -> bool:
        """Whether the bucket exists or can be created, and the object of an earlier start can be read.

        SeaweedFS creates buckets before its parts are connected, and lists objects before it can read them.
        """
        try:
            return self._ask("PUT", f"/{BUCKET}") in (200, 409) and self._ask("GET", _PROBE) in (200, 404)
        except (OSError, http.client.HTTPException):
            return False

    def settle(self) -> None:
        """Put an object with content, because that needs every part of the server."""
        if (status := self._ask("PUT", _PROBE, b"it works")) != 200:
            raise CannotServe(f"S3 answers {status} to a PUT; see its log {self._server.home / 'log'}")

    def exports(self) -> dict[str, str]:
        key, secret = self._key()
        return {
            "ASSESS_LAKE": f"s3://{BUCKET}/lake",
            "ASSESS_EXHAUSTS": f"s3://{BUCKET}/exhausts",
            "AWS_ENDPOINT_URL": f"http://{self._server.address}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def _key(self) -> tuple[str, str]:
        key = json.loads(self._keys.read_text(encoding="utf-8"))["identities"][0]["credentials"][0]
        return key["accessKey"], key["secretKey"]

    def _ask(self, method: str, path: str, body: bytes = b"") -> int:
        """The status of a request that is signed with AWS signature version 4."""
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        content = hashlib.sha256(body).hexdigest()
        signed = {"host": self._server.address, "x-amz-content-sha256": content, "x-amz-date": at}
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{content}"
        scope = f"{at[:8]}/{REGION}/s3/aws4_request"
        key, secret = self._key()
        signing = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(signing, text.encode(), "sha256").hex()
        authorization = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = http.client.HTTPConnection(self._server.address, timeout=5)
        try:
            headers = {**signed, "authorization": authorization, "content-length": str(len(body))}
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()
