"""Settings, which a process reads once when it starts. Nothing else reads them from the environment."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Final, NamedTuple, Self

from assess_core.domain.moments import DAY, duration_text, parse_duration
from assess_core.domain.rates import OFF, Rate, parse_most, parse_rate
from assess_core.domain.sizes import parse_size, size_text
from assess_core.errors import BadSettings

_SQLITE: Final = "sqlite:///"
_PREFIX: Final = "ASSESS_"
_API: Final = "ASSESS_API_"
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?\Z", re.ASCII)
_DIGITS: Final = 9
_SIMILAR: Final = 0.5  # GRACE_PERIOD and GRACE have a similarity of 0.59


class ApiSettings(NamedTuple):
    """Who may use the API, and how it is reached. The defaults have no keys: only this machine can use it.

    Durations are in ms.
    """

    keys: str = ""
    """`ASSESS_API_KEYS`: the file or `https://` URL of the public keys that verify tokens, a JSON Web Key Set.
    `http://` is accepted only from this machine. If it is not set, the API listens only on this machine."""
    secret: str = ""
    """`ASSESS_API_SECRET`: a secret of at least 32 bytes for HS256 tokens, for development only; it cannot be combined
    with `ASSESS_API_KEYS`."""
    issuer: str = ""
    """`ASSESS_API_ISSUER`: the only accepted issuer (`iss`) of tokens; if it is not set, every issuer with these keys
    is accepted."""
    audience: str = ""
    """`ASSESS_API_AUDIENCE`: the only accepted audience (`aud`) of tokens; if it is not set, tokens for other services
    are accepted too."""
    clock_skew: int = 30_000
    """`ASSESS_API_CLOCK_SKEW`: how much the clocks of issuer and API can differ when `exp`, `nbf` and `iat` are
    checked."""
    learner_claim: str = "sub"
    """`ASSESS_API_LEARNER_CLAIM`: the claim with the learner's id."""
    roles_claim: str = "roles"
    """`ASSESS_API_ROLES_CLAIM`: the claim with the caller's roles; a path such as `realm_access.roles` names a member
    of an object."""
    batches_claim: str = "batches"
    """`ASSESS_API_BATCHES_CLAIM`: the claim with the batches that a mentor may read."""
    courses_claim: str = "courses"
    """`ASSESS_API_COURSES_CLAIM`: the claim with the courses that a mentor may read."""
    channel_claim: str = "channel"
    """`ASSESS_API_CHANNEL_CLAIM`: the claim with the channel of a mentor's requests for reports."""
    hosts: str = ""
    """`ASSESS_API_HOSTS`: the names that a request can have in its header `Host`, separated by commas, besides
    `localhost` and loopback addresses. If it is not set: no others without keys, all names with keys."""
    tls_cert: str = ""
    """`ASSESS_API_TLS_CERT`: the PEM file with the API's certificate chain; if it is not set, the API speaks plain
    HTTP."""
    tls_key: str = ""
    """`ASSESS_API_TLS_KEY`: the PEM file with the private key of that certificate, without a password."""
    caller_rate: Rate | None = Rate(600, 60)
    """`ASSESS_API_CALLER_RATE`: the most requests of one token's owner: a number per `second`, `minute` or `hour`, or
    `off`. Operators have no limit."""
    caller_at_once: int | None = 16
    """`ASSESS_API_CALLER_AT_ONCE`: the most requests of that owner at the same time, or `off`."""
    address_rate: Rate | None = Rate(6000, 60)
    """`ASSESS_API_ADDRESS_RATE`: the most requests of one address, or of one IPv6 network (/64). Requests of this
    machine have no limit."""
    address_at_once: int | None = 250
    """`ASSESS_API_ADDRESS_AT_ONCE`: the most requests of that address at the same time, or `off`."""
    proxies: str = "127.0.0.1,::1"
    """`ASSESS_API_PROXIES`: the addresses and networks of proxies in front of the API. Only they may name a client's
    address in `X-Forwarded-For`."""
    origins: str = ""
    """`ASSESS_API_ORIGINS`: the sites whose pages may use the API from a browser, such as `https://portal.example.org`,
    separated by commas. Without keys, such a page can do everything."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings from environment variables. Raises `BadTime`, `BadSettings`."""

        def given(name: str, default: str = "") -> str:
            return env.get(f"{_API}{name}") or default

        return cls(
            keys=_absolute(given("KEYS")),
            secret=given("SECRET"),
            issuer=given("ISSUER"),
            audience=given("AUDIENCE"),
            clock_skew=parse_duration(given("CLOCK_SKEW", "30s"), f"{_API}CLOCK_SKEW"),
            learner_claim=given("LEARNER_CLAIM", "sub"),
            roles_claim=given("ROLES_CLAIM", "roles"),
            batches_claim=given("BATCHES_CLAIM", "batches"),
            courses_claim=given("COURSES_CLAIM", "courses"),
            channel_claim=given("CHANNEL_CLAIM", "channel"),
            hosts=given("HOSTS"),
            tls_cert=_absolute(given("TLS_CERT")),
            tls_key=_absolute(given("TLS_KEY")),
            caller_rate=parse_rate(given("CALLER_RATE", "600/minute"), f"{_API}CALLER_RATE"),
            caller_at_once=parse_most(given("CALLER_AT_ONCE", "16"), f"{_API}CALLER_AT_ONCE"),
            address_rate=parse_rate(given("ADDRESS_RATE", "6000/minute"), f"{_API}ADDRESS_RATE"),
            address_at_once=parse_most(given("ADDRESS_AT_ONCE", "250"), f"{_API}ADDRESS_AT_ONCE"),
            proxies=_networks(given("PROXIES", "127.0.0.1,::1")),
            origins=_origins(given("ORIGINS")),
        )

    def env(self) -> dict[str, str]:
        """These settings as environment variables."""
        texts = {**self._asdict(), "clock_skew": duration_text(self.clock_skew)}
        return {f"{_API}{name.upper()}": OFF if value is None else str(value) for name, value in texts.items()}


class Settings(NamedTuple):
    """The settings of an installation. The defaults need no server and store everything below the home folder.

    Durations are in ms, sizes in bytes.
    """

    home: Path
    """`ASSESS_HOME`: the home folder, where all embedded stores are; `--home DIR` overrides it."""
    hot_store: str
    """`ASSESS_HOT_STORE`: the hot store: `sqlite:///PATH`, with `?shards=N` when it is created (default 1, cannot be
    changed later); or `cassandra://HOST/KEYSPACE`."""
    lake: str
    """`ASSESS_LAKE`: where the Delta tables `attempts`, `archive_manifest`, `imports`, `weekly_activity`,
    `sealed_entries` and `seals` are stored: a folder, or `s3://BUCKET/PREFIX`."""
    exhausts: str
    """`ASSESS_EXHAUSTS`: where reports are written: a folder, or `s3://BUCKET/PREFIX`. A response report in CSV also
    needs its size below `TMPDIR` while it is written."""
    log: str
    """`ASSESS_LOG`: the folder of JSON lines that `assess up` reads, or `kafka://BROKER/TOPIC?group=NAME`."""
    grace: int
    """`ASSESS_GRACE`: how long after its end a week stays open: `90s`, `15m`, `36h`, `1d`; at most 100 years."""
    facts: str
    """`ASSESS_FACTS`: the file with facts about courses, assessments and batches, or `cassandra://HOST/KEYSPACE` with
    Sunbird's batches; if it is not set, every batch is accepted."""
    memory: int | None = None
    """`ASSESS_MEMORY`: the memory that one process should use at most, such as `1GB`. If it is not set: half of the
    machine's memory, or half of the control group's limit (in a container) if that is lower."""
    api: ApiSettings = ApiSettings()
    """The settings of the API, `ASSESS_API_...`."""
    channel_batches: int = 500
    """`ASSESS_CHANNEL_BATCHES`: the reports of batches that the requests of one channel may get in a day (UTC); more
    wait until the next day."""
    channel_bytes: int = 10 * 1000**3
    """`ASSESS_CHANNEL_BYTES`: the size of these reports."""
    keep_reports: int = 7 * DAY
    """`ASSESS_KEEP_REPORTS`: how long the files of a finished request are kept; at least a day."""
    keep_tickets: int = 365 * DAY
    """`ASSESS_KEEP_TICKETS`: how long a ticket holds the files of its report; at least a day."""
    request_tickets: bool = False
    """`ASSESS_REQUEST_TICKETS`: `yes`: each report of a request gets a ticket; its sidecar names it. Not together with
    `ASSESS_NAMES`."""
    notify: str = ""
    """`ASSESS_NOTIFY`: where a notice is sent when a requested report is ready or failed: `https://HOST/PATH` or
    `smtp://USER:PASSWORD@HOST/?from=ADDRESS&to=ADDRESS`. It is shown as `***`."""
    public_url: str = ""
    """`ASSESS_PUBLIC_URL`: the address of the API as browsers see it, for links to reports, such as
    `https://api.example.org`. If it is not set: the address that the client used."""
    grants: str = ""
    """`ASSESS_GRANTS`: a table with the batches and courses that mentors may read, beside those of their tokens: a file
    (`.csv`, `.json`), `sqlite:///PATH`, or `cassandra://HOST/KEYSPACE`."""
    names: str = ""
    """`ASSESS_NAMES`: where reports get names of courses, batches, assessments and learners: a file (`.csv`, `.json`,
    `.jsonl`, `.parquet`), `cassandra://HOST/KEYSPACE`, `postgresql://HOST/DATABASE`, or `https://HOST/PATH` of
    Sunbird's search services; if it is not set, reports show ids only."""
    names_token: str = ""
    """`ASSESS_NAMES_TOKEN`: the bearer token that these search services ask for."""
    schedules: str = ""
    """`ASSESS_SCHEDULES`: the TOML file of scheduled reports."""
    retention: str = ""
    """`ASSESS_RETENTION`: the TOML file of rules that say how long slices stay."""
    erasure_keys: str = ""
    """`ASSESS_ERASURE_KEYS`: the file of the secret keys under which erased learners are remembered. Every machine that
    folds events or applies corrections needs it."""
    traces: str = ""
    """`ASSESS_TRACES`: the address of an OpenTelemetry collector that gets traces by OTLP over HTTP, such as
    `http://127.0.0.1:4318`; if it is not set, there are none."""
    messages: str = "text"
    """`ASSESS_MESSAGES`: how processes write messages on standard error: `text`, or `json` for one JSON object a
    line."""

    @classmethod
    def from_env(cls, env: Mapping[str, str], home: str | None = None) -> Self:
        """Read the settings from environment variables. An empty variable counts as not set.

        Relative paths start at the current folder; the settings hold absolute paths. Raises `BadTime`, `BadSettings`.
        """
        root = Path(home or env.get("ASSESS_HOME") or ".assess").absolute()
        grace = env.get("ASSESS_GRACE") or "1d"
        return cls(
            home=root,
            hot_store=_absolute(env.get("ASSESS_HOT_STORE") or f"{_SQLITE}{root / 'hot.sqlite'}"),
            lake=_absolute(env.get("ASSESS_LAKE") or str(root / "lake")),
            exhausts=_absolute(env.get("ASSESS_EXHAUSTS") or str(root / "exhausts")),
            log=_absolute(env.get("ASSESS_LOG") or str(root / "log")),
            grace=parse_duration(grace, "ASSESS_GRACE"),
            facts=_absolute(env.get("ASSESS_FACTS") or ""),
            memory=parse_size(env.get("ASSESS_MEMORY") or "", "ASSESS_MEMORY"),
            api=ApiSettings.from_env(env),
            channel_batches=_batches(env.get("ASSESS_CHANNEL_BATCHES") or "500"),
            channel_bytes=parse_size(env.get("ASSESS_CHANNEL_BYTES") or "10GB", "ASSESS_CHANNEL_BYTES") or 0,
            keep_reports=_at_least_a_day("ASSESS_KEEP_REPORTS", env.get("ASSESS_KEEP_REPORTS") or "7d"),
            keep_tickets=_at_least_a_day("ASSESS_KEEP_TICKETS", env.get("ASSESS_KEEP_TICKETS") or "365d"),
            request_tickets=_yes_or_no(env.get("ASSESS_REQUEST_TICKETS") or "no"),
            notify=env.get("ASSESS_NOTIFY") or "",
            public_url=_http("ASSESS_PUBLIC_URL", env.get("ASSESS_PUBLIC_URL") or "", "https://api.example.org"),
            traces=_http("ASSESS_TRACES", env.get("ASSESS_TRACES") or "", "http://127.0.0.1:4318"),
            messages=_format(env.get("ASSESS_MESSAGES") or "text"),
            grants=_absolute(env.get("ASSESS_GRANTS") or ""),
            names=_absolute(env.get("ASSESS_NAMES") or ""),
            schedules=_absolute(env.get("ASSESS_SCHEDULES") or ""),
            retention=_absolute(env.get("ASSESS_RETENTION") or ""),
            erasure_keys=_absolute(env.get("ASSESS_ERASURE_KEYS") or str(root / "erasure.keys")),
            names_token=_token(env.get("ASSESS_NAMES_TOKEN") or ""),
        )

    def env(self) -> dict[str, str]:
        """These settings as environment variables: `assess up` passes them to the processes that it starts."""
        return {
            "ASSESS_HOME": str(self.home),
            "ASSESS_HOT_STORE": self.hot_store,
            "ASSESS_LAKE": self.lake,
            "ASSESS_EXHAUSTS": self.exhausts,
            "ASSESS_LOG": self.log,
            "ASSESS_GRACE": duration_text(self.grace),
            "ASSESS_FACTS": self.facts,
            "ASSESS_MEMORY": "" if self.memory is None else f"{self.memory}B",
            **self.api.env(),
            "ASSESS_CHANNEL_BATCHES": str(self.channel_batches),
            "ASSESS_CHANNEL_BYTES": size_text(self.channel_bytes),
            "ASSESS_KEEP_REPORTS": duration_text(self.keep_reports),
            "ASSESS_KEEP_TICKETS": duration_text(self.keep_tickets),
            "ASSESS_REQUEST_TICKETS": "yes" if self.request_tickets else "no",
            "ASSESS_NOTIFY": self.notify,
            "ASSESS_PUBLIC_URL": self.public_url,
            "ASSESS_TRACES": self.traces,
            "ASSESS_MESSAGES": self.messages,
            "ASSESS_GRANTS": self.grants,
            "ASSESS_NAMES": self.names,
            "ASSESS_NAMES_TOKEN": self.names_token,
            "ASSESS_SCHEDULES": self.schedules,
            "ASSESS_RETENTION": self.retention,
            "ASSESS_ERASURE_KEYS": self.erasure_keys,
        }


def unknown_settings(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A message and an action for each variable that looks like a setting but is not one."""
    for name, meant in unknown_variables(env).items():
        action = f"did you mean {meant}?" if meant else "`assess settings` lists all settings; unset it"
        yield f"{name} is not a setting and has no effect", action


def unknown_variables(env: Mapping[str, str]) -> dict[str, str | None]:
    """The variables that begin with `ASSESS_` but are not settings, each with the setting that was probably meant."""
    known = [name.removeprefix(_PREFIX) for name in Settings.from_env({}).env()]
    unknown = sorted(
        name for name in env if name.upper().startswith(_PREFIX) and name.removeprefix(_PREFIX) not in known
    )
    found = {name: get_close_matches(name.upper().removeprefix(_PREFIX), known, 1, _SIMILAR) for name in unknown}
    return {name: f"{_PREFIX}{meant[0]}" if meant else None for name, meant in found.items()}


def _batches(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text)):
        raise BadSettings(f"ASSESS_CHANNEL_BATCHES: {text[:40]!r} is not a number of batches; write e.g. 500")
    return int(text)


def _at_least_a_day(name: str, text: str) -> int:
    found = parse_duration(text, name)
    if found < DAY:  # the same request on the same day gets the same files; a ticket may take a day to be written
        raise BadSettings(f"{name}: {text!r} is shorter than a day; write e.g. 7d")
    return found


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise BadSettings(f"ASSESS_REQUEST_TICKETS: {text[:40]!r} is neither yes nor no")
    return text == "yes"


def _http(name: str, text: str, example: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text):
        raise BadSettings(f"{name}: {text[:80]!r} is not an address; write e.g. {example}")
    return text.rstrip("/")


def _format(text: str) -> str:
    if text not in ("text", "json"):
        raise BadSettings(f"ASSESS_MESSAGES: {text[:40]!r} is not a format; write text or json")
    return text


def _networks(text: str) -> str:
    for one in text.split(","):
        try:
            ip_network(one.strip())
        except ValueError:
            raise BadSettings(
                f"{_API}PROXIES: {one.strip()[:80]!r} is not an address; write e.g. 10.0.0.5 or 10.0.0.0/8"
            ) from None
    return text


def _origins(text: str) -> str:
    found = [one.strip() for one in text.split(",") if one.strip()]
    for one in found:
        if not _ORIGIN.match(one):
            raise BadSettings(
                f"{_API}ORIGINS: {one[:80]!r} is not the origin of a site; write e.g. https://portal.example.org"
            )
    return ",".join(found)


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]*", text):  # the message must not show it
        raise BadSettings("ASSESS_NAMES_TOKEN: it has a character that no token has; copy it without spaces and lines")
    return text


def _absolute(text: str) -> str:
    """Make a path absolute, also the path in a `sqlite:///` URL. Other URLs stay unchanged."""
    scheme = _SQLITE if text.startswith(_SQLITE) else ""
    path = text.removeprefix(scheme)
    return text if "://" in path or not path else f"{scheme}{Path(path).absolute()}"
