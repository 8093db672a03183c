"""Invalid values of every option and argument, by command."""

from collections.abc import Sequence
from typing import Final

NOT_TEXT: Final = "\udcff"  # how Python reads an argument that is not UTF-8
NO_URL: Final = ("foo", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://[::1", "ftp://127.0.0.1", "http://")
NO_PORT: Final = ("70000", "-1", "x")
NO_FILE: Final = ("/no/such/file", "/proc")
NO_MOMENT: Final = ("soon", "1999-12-31", "9" * 30, "9" * 5000, NOT_TEXT)
NO_WORDS: Final = ("", " ", NOT_TEXT, "x" * 100_000)
NO_ID: Final = ("", NOT_TEXT, "x" * 1025)
NO_TICKET: Final = ("20240101-0123456789ab", "t1", "../../etc/passwd", "", NOT_TEXT)
NO_SEAL: Final = (
    *("", "x", NOT_TEXT, "assess-seal:1:0:0:0:0:0", "9" * 5000),
    f"assess-seal:1:0123456789abcdef:1:20249901T000000Z:{'0' * 64}:c8a9e1b4",
)
NO_SLICE: Final = ("2024-W05", "b9|2024-W54", "b9|2024-W05", NOT_TEXT, f"{NOT_TEXT}|2024-W05")

WRONG: Final[dict[str, dict[str, Sequence[str]]]] = {
    "": {"--home": ("/proc/h", "/dev/null/h", "/proc/self/mem/h")},
    "ingest": {"--facts": NO_FILE, "paths": ("/no/such.jsonl", "/etc/passwd", "/proc/h", NOT_TEXT)},
    "failed list": {"--format": ("xml",)},
    "failed show": {"topic": ("nothing", NOT_TEXT), "partition": ("x", "9" * 30), "offset": ("x", "-1")},
    "failed replay": {"--facts": NO_FILE},
    "table": {"name": ("nothing",), "--batch": (NOT_TEXT, "b9"), "--tier": ("cold",), "--format": ("xml",)},
    "score": {
        "--learner": ("", NOT_TEXT, "u9"),
        "--assessment": ("", NOT_TEXT, "a9"),
        "--course": (NOT_TEXT, "c9"),
        "--batch": (NOT_TEXT, "b9"),
    },
    "explain": {
        "--learner": ("", NOT_TEXT, "u9"),
        "--assessment": ("", NOT_TEXT, "a9"),
        "--course": (NOT_TEXT, "c9"),
        "--batch": (NOT_TEXT, "b9"),
    },
    "slices": {"slices": NO_SLICE, "--as-of": NO_MOMENT},
    "archive": {"slices": NO_SLICE, "--as-of": NO_MOMENT},
    "verify": {"slices": NO_SLICE, "--as-of": NO_MOMENT},
    "clear": {"slices": NO_SLICE, "--as-of": NO_MOMENT},
    "restore": {"slices": NO_SLICE},
    "rebuild": {"--facts": NO_FILE, "paths": ("/no/such.jsonl", "/etc/passwd", "/proc/h", NOT_TEXT)},
    "import": {
        "paths": ("/no/such/folder", "/etc/passwd", "/proc/h", "http://h/x", "s3://", "s3://b/\x01", NOT_TEXT),
        "--cassandra": (
            "x",
            "cassandra://",
            "cassandra://127.0.0.1:1/ks?protocol=3",
            "http://h/ks",
            "@/no/such",
            "@/dev/zero",
        ),
        "--copy-to": ("old",),  # without --cassandra
        "--table": ("x", "a b"),
        "--rows-per-second": ("0", "x", "9" * 30),
        "--refused": ("/no/such/x", "/", "/proc/x", f"/no/{NOT_TEXT}"),
        "--journal": ("/no/such/x", "/", "/proc/x", "/etc/passwd"),
    },
    "export-archive": {
        "slices": NO_SLICE,
        "--to": ("ftp://h/x", "/proc/x", "/dev/null/x", "s3://"),
        "--versions": ("old",),
    },
    "balance": {"batches": ("b9", NOT_TEXT)},
    "compact": {"weeks": ("foo", "2024-W54", NOT_TEXT), "--retain": ("soon", "9" * 15 + "d", "-1d", NOT_TEXT)},
    "seal": {"--check": NO_SEAL, "--prove": NO_SLICE, "--since": NO_SEAL, "--at": NO_SEAL},
    "exhaust": {
        "batches": ("b9", NOT_TEXT),
        "--batch-pattern": (NOT_TEXT, "*" * 201),
        "--course": (NOT_TEXT,),
        "--assessment": (NOT_TEXT,),
        "--learner": (NOT_TEXT, "x" * 1025),
        "--week": ("2024-W54", NOT_TEXT),
        "--attempted-from": NO_MOMENT,
        "--attempted-to": NO_MOMENT,
        "--since": NO_MOMENT,
        "--versions": ("old",),
        "--column": ("nonsense", NOT_TEXT),
        "--counted": ("last", "best"),
        "--names": ("all", "titles", "learners"),
        "--report": ("x",),
        "--format": ("xml",),
        "--picture": ("gif",),
        "--output": ("/no/such/dir/x.csv", "ftp://host/x.csv", "/", ".", "", "/proc/x.csv"),
        "--password-file": NO_FILE,
        "--ticket": NO_TICKET,
    },
    "correct dry-run": {
        "files": ("/no/such/file", "/proc", "/etc/passwd", "", NOT_TEXT),
        "--pass-mark": ("nan", "x", "-1", "101", "nan"),
        "--format": ("xml",),
    },
    "correct apply": {
        "file": ("/no/such/file", "/proc", "/etc/passwd", "", NOT_TEXT),
        "--by": NO_WORDS,
        "--reason": NO_WORDS,
    },
    "correct list": {},
    "correct revert": {"id_": ("c9", "", NOT_TEXT), "--by": NO_WORDS, "--reason": NO_WORDS},
    "hold add": {
        "--batch": NO_ID,
        "--learner": NO_ID,
        "--assessment": NO_ID,
        "--by": NO_WORDS,
        "--reason": NO_WORDS,
        "--until": NO_MOMENT,
    },
    "hold list": {},
    "hold release": {"id_": ("h9", "", NOT_TEXT), "--by": NO_WORDS, "--reason": NO_WORDS},
    "retain": {},
    "erase": {
        "--learner": ("", NOT_TEXT),
        "--file": (*NO_FILE, "/dev/zero"),
        "--by": NO_WORDS,
        "--reason": NO_WORDS,
        "--output": ("/no/such/dir/x.json", "/", ".", "/proc/x.json"),
        "--check": ("/no/such/file", "/proc", "/etc/passwd"),
    },
    "ticket list": {"--format": ("xml",)},
    "ticket show": {"id_": NO_TICKET},
    "ticket release": {"ids": NO_TICKET},
    "diff": {"ticket_": NO_TICKET, "other": NO_TICKET, "--format": ("xml",)},
    "request submit": {
        "--tag": ("", NOT_TEXT, "x" * 501),
        "--dataset": ("x",),
        "--config": ("", "[]", "{", "[" * 5000, '{"batchId": 1}', NOT_TEXT),
        "--format": ("xml",),
        "--password-file": NO_FILE,
        "--by": ("", NOT_TEXT),
        "--channel": ("", NOT_TEXT),
    },
    "request list": {
        "tag": (NOT_TEXT,),
        "--status": ("x",),
        "--limit": ("0", "x", "9" * 30),
        "--format": ("xml",),
        "--channel": ("", NOT_TEXT),
    },
    "request show": {"tag": ("t9", NOT_TEXT), "id_": ("r9", NOT_TEXT), "--channel": ("c9", NOT_TEXT)},
    "request cancel": {"tag": ("t9", NOT_TEXT), "id_": ("r9", NOT_TEXT), "--channel": ("c9", NOT_TEXT)},
    "request download": {
        "tag": ("t9", NOT_TEXT),
        "id_": ("r9", NOT_TEXT),
        "--channel": ("c9", NOT_TEXT),
        "--folder": ("/proc/x", "/dev/null"),
    },
    "request work": {"--lease": ("soon", NOT_TEXT), "--most": ("0", "x")},
    "schedule list": {"--format": ("xml",)},
    "schedule run": {"names": ("nope", NOT_TEXT), "--day": NO_MOMENT, "--format": ("xml",)},
    "sample-events": {"--events": ("-1", "x"), "--seed": ("x",), "--output": ("/no/such/x", "/", "/proc/x")},
    "demo": {},
    "api": {"--host": ("nope.invalid", "", "1.2.3.4", NOT_TEXT), "--port": NO_PORT, "--facts": NO_FILE},
    "up": {
        "--api-port": (*NO_PORT, "0"),
        "--dagster-port": (*NO_PORT, "0"),
        "--facts": NO_FILE,
        "--housekeeping": ("maybe", NOT_TEXT),
    },
    "housekeeping": {"action": ("maybe", NOT_TEXT), "--dagster": (*NO_URL, "http://127.0.0.1:1")},
    "backfill": {"--dagster": (*NO_URL, "http://127.0.0.1:1"), "first": (NOT_TEXT,), "last": (NOT_TEXT,)},
    "schema show": {},
    "schema apply": {"--replication": ("x", "dc1:3"), "--shards": ("0", "2000", "x")},
    "schema check": {},
    "upgrade": {},
    "size": {
        **dict.fromkeys(
            ("--learners", "--attempts", "--answers", "--years", "--copies", "--batch"), ("0", "-1", "x", "1e99", "nan")
        ),
        "--prices": ("1", "free"),
    },
    "settings": {},
    "doctor": {},
    "completion": {"shell": ("tcsh", NOT_TEXT)},
}
"""Command -> option or argument -> invalid values."""
GIVEN: Final[dict[str, dict[str, str]]] = {
    "ingest": {"paths": "/no/such.jsonl"},
    "export-archive": {"slices": "b1|2024-W05", "--to": "old"},
    "import": {"paths": "/no/such/archive.csv"},
    "failed show": {"topic": "nothing", "partition": "0", "offset": "1"},
    "table": {"name": "attempts"},
    "score": {"--learner": "u1", "--assessment": "a1"},
    "explain": {"--learner": "u1", "--assessment": "a1"},
    "exhaust": {"batches": "b1", "--report": "score"},
    "correct revert": {"id_": "c9", "--by": "an office", "--reason": "a reason"},
    "hold add": {"--learner": "u1", "--by": "an office", "--reason": "a reason"},
    "hold release": {"id_": "h9", "--by": "an office", "--reason": "a reason"},
    "erase": {"--learner": "u1", "--by": "an office", "--reason": "a reason"},
    "diff": {"ticket_": "20240101-0123456789ab"},
    "size": {"--learners": "1000"},
    "backfill": {"--dagster": "http://127.0.0.1:1", "first": "b1|2024-W05"},
    "housekeeping": {"action": "status", "--dagster": "http://127.0.0.1:1"},
    "request submit": {"--tag": "t", "--dataset": "score-exhaust", "--config": '{"batchId": "b1"}'},
    **{f"request {name}": {"tag": "t", "id_": "r"} for name in ("show", "cancel", "download")},
}
"""Command -> its required options and arguments, with valid values."""
