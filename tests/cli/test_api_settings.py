"""`assess settings` hides the secret of the API. `assess doctor` says who may use the API."""

from pathlib import Path

from tests.api.issuer import AUDIENCE, ISSUER, certificate, key_set
from tests.cli.conftest import Assess


def test_settings_never_show_the_secret(assess: Assess) -> None:
    shown = assess("settings", env={"ASSESS_API_SECRET": "hunter2" * 5}).stdout
    assert "hunter2" not in shown
    assert "***" in shown


def test_the_doctor_says_who_may_use_the_api(assess: Assess, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set())
    keys = {"ASSESS_API_KEYS": str(file), "ASSESS_API_ISSUER": ISSUER, "ASSESS_API_AUDIENCE": AUDIENCE}

    def lines(**env: str) -> list[str]:
        shown = assess("doctor", env=env).stdout
        return [line for line in shown.splitlines() if line[6:].startswith("API ")]

    [no_keys] = lines()
    assert no_keys.startswith("ok    API             has no keys: every client can do everything")
    [good] = lines(**keys)
    assert good.startswith("ok    API             needs a token, verified with the keys of /")
    assert "ASSESS_API_AUDIENCE is not set" in lines(**{**keys, "ASSESS_API_AUDIENCE": ""})[1]
    [away] = lines(ASSESS_API_KEYS="http://127.0.0.1:1/keys")
    assert away.startswith("bad   API             ASSESS_API_KEYS: http://127.0.0.1:1/keys does not answer")
    assert "for development" in lines(ASSESS_API_SECRET="x" * 32)[-1]
    for days, level in ((30, "ok "), (5, "warn"), (-2, "bad")):
        cert, key = certificate(tmp_path, days)
        assert lines(**keys, ASSESS_API_TLS_CERT=cert, ASSESS_API_TLS_KEY=key)[-1].startswith(level)
