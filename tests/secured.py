"""Servers with TLS and logins: the servers of `deploy/local/servers` with additional settings."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from assess_core.adapters.cassandra.schema import CassandraSchema
from assess_core.adapters.cassandra.session import session
from assess_core.adapters.cassandra.url import parse_cassandra_url
from deploy.local import processes
from deploy.local.addresses import Addresses, addresses_of
from deploy.local.cassandra import Cassandra
from deploy.local.errors import CannotServe
from deploy.local.kafka import TOPIC, Kafka
from deploy.local.server import Kind, Server
from tests.servers import TOOL, Instance, require_servers, skip_or_fail

KEYSPACE: Final = "secured"
USER: Final = "assess"
PASSWORD: Final = "p@ss:/w&rd?#%"
_STORE_PASSWORD: Final = "changeit"
_PATIENCE: Final = 180.0

_CASSANDRA: Final = """
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
client_encryption_options:
  enabled: true
  optional: false
  keystore: '{keystore}'
  keystore_password: {password}
  store_type: PKCS12
"""
# the first address has no TLS, because the tool and the setup of users need it
_KAFKA: Final = """
listeners=PLAINTEXT://{plain},CONTROLLER://{controller},SASL_SSL://{secured}
advertised.listeners=PLAINTEXT://{plain},SASL_SSL://{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.location={keystore}
ssl.keystore.password={password}
ssl.keystore.type=PKCS12
"""


class Certificates(NamedTuple):
    """A server certificate and the certificate of its signer."""

    keystore: Path
    ca: Path
    other: Path
    """An unrelated signer."""


def certificates(folder: Path, *hosts: str) -> Certificates:
    """Create a signer, and a certificate for these addresses with its signature."""

    def signer(file: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate("signer", "signer", key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signed = made.sign(key, SHA256())
        (folder / file).write_bytes(signed.public_bytes(Encoding.PEM))
        return key, signed

    signing, ca = signer("ca.pem")
    signer("other.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host)) for host in hosts])
    server = _certificate("server", "signer", key).add_extension(names, critical=False)
    password = BestAvailableEncryption(_STORE_PASSWORD.encode())
    stored = pkcs12.serialize_key_and_certificates(b"server", key, server.sign(signing, SHA256()), [ca], password)
    (folder / "server.p12").write_bytes(stored)
    return Certificates(folder / "server.p12", folder / "ca.pem", folder / "other.pem")


def _certificate(name: str, signer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """An unsigned certificate, valid for two days."""
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, signer))
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )


def tls_of(made: Certificates) -> ssl.SSLContext:
    """The TLS context of a Python server with this certificate."""
    stored = pkcs12.load_pkcs12(made.keystore.read_bytes(), _STORE_PASSWORD.encode())
    assert stored.key is not None
    assert stored.cert is not None
    pem = made.keystore.with_suffix(".pem")
    private = stored.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + stored.cert.certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


class Secured(NamedTuple):
    """The addresses of the servers and their certificates."""

    cassandra: Server
    kafka: Server
    broker: str
    """Kafka's TLS address."""
    certificates: Certificates

    def hot_store(self, user: str | None, password: str = PASSWORD, ca: Path | None = None, tls: bool = True) -> str:
        """`ASSESS_HOT_STORE` for a client with these options."""
        login = f"{user}:{quote(password, safe='')}@" if user else ""
        options = f"?tls=true{f'&ca={ca}' if ca else ''}" if tls else ""
        return f"cassandra://{login}{self.cassandra.address}/{KEYSPACE}{options}"

    def log(self, protocol: str, password: str = PASSWORD, ca: Path | None = None) -> str:
        """`ASSESS_LOG` for a client with these options."""
        login = f"&sasl.mechanism=SCRAM-SHA-512&sasl.username={USER}&sasl.password={quote(password, safe='')}"
        signer = f"&ssl.ca.location={ca}" if ca else ""
        return f"kafka://{self.broker}/{TOPIC}?group=secured&security.protocol={protocol}{login}{signer}"


@contextmanager
def secured_servers(folder: Path) -> Iterator[Secured]:
    """Starts a node with our tables and a broker with our topics, both with users."""
    with _own(folder) as own:
        at = own.addresses
        broker = at.at("s3", 2)  # the port of the S3 server, because a broker accepts only one listener per port
        made = certificates(folder, at.host(), at.host(2))
        store = {"keystore": made.keystore, "password": _STORE_PASSWORD}
        listeners = {"plain": at.at("kafka"), "controller": at.at("controller"), "secured": broker}
        ring, kafka = Cassandra(folder, at, 1, print), Kafka(folder, at, print)
        own.launch(ring, "cassandra.yaml", _CASSANDRA.format(**store))
        own.launch(kafka, "kafka.properties", _KAFKA.format(**listeners, **store))
        [node], [server] = ring.servers(), kafka.servers()
        secured = Secured(node, server, broker, made)
        own.wait(lambda: kafka.answers(secured.kafka))
        _admit_to_kafka(kafka, secured)
        # a slow node may create the role before it accepts clients
        own.wait(lambda: "Created default superuser role" in processes.tail(secured.cassandra.home))
        own.wait(lambda: _accepts(secured.cassandra.address))
        _admit_to_cassandra(secured)
        yield secured


def _accepts(address: str) -> bool:
    """Whether the server accepts connections."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def _admit_to_kafka(kafka: Kafka, secured: Secured) -> None:
    """Create the login `USER` with `PASSWORD`."""
    kafka.settle()
    admin = AdminClient({"bootstrap.servers": secured.kafka.address})
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    user = UserScramCredentialUpsertion(USER, scram, PASSWORD.encode())
    admin.alter_user_scram_credentials([user])[USER].result(10)


def _admit_to_cassandra(secured: Secured) -> None:
    """Create two logins: `USER` can read and change the rows of our tables, `guest` has no rights."""
    first = secured.hot_store("cassandra", "cassandra", secured.certificates.ca)
    CassandraSchema(first).apply("1", 2)
    operator = session(parse_cassandra_url(first).servers)
    for user in (USER, "guest"):
        operator.execute(f"CREATE ROLE {user} WITH LOGIN = true AND PASSWORD = '{PASSWORD}'")
    for right in ("SELECT", "MODIFY"):
        operator.execute(f"GRANT {right} ON KEYSPACE {KEYSPACE} TO {USER}")


class _Own(NamedTuple):
    """A server instance and its processes."""

    folder: Path
    addresses: Addresses
    ended: ExitStack
    processes: "list[subprocess.Popen[bytes]]"

    def launch(self, kind: Kind, file: str, settings: str) -> None:
        """Start the server like the tool, but with additional settings."""
        kind.fetch()
        [server] = kind.servers()
        server.home.mkdir()
        command = kind.command(server)
        with (server.home / file).open("a", encoding="utf-8") as configuration:
            configuration.write(settings)
        self.processes.append(self.ended.enter_context(processes.launch(server.home, command)))

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until the condition holds. Fails if a server ends."""
        until = time.monotonic() + _PATIENCE
        while not ready():
            assert all(process.poll() is None for process in self.processes), (
                f"the servers are not ready; see the logs in {self.folder}"
            )
            assert time.monotonic() < until, f"the servers are not ready; see the logs in {self.folder}"
            time.sleep(0.1)


@contextmanager
def _own(folder: Path) -> Iterator[_Own]:
    """An instance that ends with the block or with this process."""
    require_servers()
    watcher = folder / "watcher"
    watcher.mkdir(parents=True)
    watch = [sys.executable, str(TOOL), "watch", "--data", str(folder), str(os.getpid()), f"{watcher}/"]
    with ExitStack() as started:
        try:
            started.enter_context(processes.launch(watcher, watch))
            yield _Own(folder, addresses_of(folder), started, [])
        except CannotServe as error:
            skip_or_fail(f"no secured servers here: {error}")
        finally:
            Instance(folder, os.getpid()).down()
