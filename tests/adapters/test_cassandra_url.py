"""URLs of Cassandra hot stores."""

from pathlib import Path

import pytest

from assess_core.adapters.cassandra.url import KeyspacePlace, Servers, parse_cassandra_url
from assess_core.errors import BadSettings

PLAIN = Servers((("h1", 9042),), None, None, None, False, None, None, None)


def test_hosts_ports_and_keyspace_are_read() -> None:
    assert parse_cassandra_url("cassandra://h1/sunbird_courses") == KeyspacePlace(
        PLAIN, "sunbird_courses", "LOCAL_QUORUM"
    )
    assert parse_cassandra_url("cassandra://h1:9043,h2,[::1]:9044/k").servers.hosts == (
        ("h1", 9043),
        ("h2", 9042),
        ("::1", 9044),
    )


def test_user_and_password_are_decoded_and_never_shown() -> None:
    servers = parse_cassandra_url("cassandra://us%40er:p%3A%2Fss@h1/k").servers

    assert (servers.user, servers.password) == ("us@er", "p:/ss")
    assert str(servers) == "h1:9042"


def test_options_are_read(tmp_path: Path) -> None:
    for name in ("ca.pem", "our cert.pem", "key.pem"):
        (tmp_path / name).touch()
    url = (
        f"cassandra://h1/k?dc=dc%201&consistency=quorum&tls=true&ca={tmp_path}/ca.pem"
        f"&cert={tmp_path}/our%20cert.pem&key={tmp_path}/key.pem"
    )

    place = parse_cassandra_url(url)

    files = tmp_path / "ca.pem", tmp_path / "our cert.pem", tmp_path / "key.pem"
    assert place == KeyspacePlace(
        PLAIN._replace(dc="dc 1", tls=True, ca=files[0], cert=files[1], key=files[2]), "k", "QUORUM"
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("cassandra:///k", "no host is named"),
        ("cassandra://h1", "'' is not a keyspace"),
        ("cassandra://h1/Courses", "'Courses' is not a keyspace"),
        ("cassandra://h1/k/more", "'k/more' is not a keyspace"),
        ("cassandra://h1/k;drop", "is not a keyspace"),
        ("cassandra://h1:0/k", "'h1:0' is not HOST or HOST:PORT"),
        ("cassandra://h1,/k", "'' is not HOST or HOST:PORT"),
        ("cassandra://user@h1/k", "a user and a password belong together"),
        ("cassandra://h1/k?datacenter=dc1", "'datacenter' is not an option"),
        ("cassandra://h1/k?dc=a&dc=b", "write the option 'dc' once"),
        ("cassandra://h1/k?dc=", "write the option 'dc' once, with a value"),
        ("cassandra://h1/k?consistency=ANY", "consistency 'ANY' is not one of LOCAL_QUORUM"),
        *(
            (f"cassandra://h1/k?consistency={level}", f"consistency '{level}' .* a read may miss an acknowledged write")
            for level in ("ONE", "LOCAL_ONE", "TWO", "THREE")
        ),
        ("cassandra://h1/k?tls=yes", "tls=yes is neither tls=true nor tls=false"),
        ("cassandra://h1/k?ca=/dev/null", "'ca' only has a meaning with tls=true"),
        ("cassandra://h1/k?tls=true&ca=/nowhere.pem", "ca=/nowhere.pem is not a file"),
    ],
)
def test_the_error_for_an_invalid_url_gives_the_reason(url: str, message: str) -> None:
    with pytest.raises(BadSettings, match=f"ASSESS_HOT_STORE: .*{message}"):
        parse_cassandra_url(url)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").touch()

    with pytest.raises(BadSettings, match="`cert` and `key` belong together"):
        parse_cassandra_url(f"cassandra://h1/k?tls=true&cert={tmp_path}/cert.pem")


def test_no_error_message_contains_a_password() -> None:
    for url in (
        *("cassandra://u:secret@/k", "cassandra://u:secret@h1/K", "cassandra://u:secret@h1/k?x=1"),
        *("cassandra://u:a/secret@h1/k", "cassandra://u:secret[@h1/k", "cassandra://u:secret\u2100@h1/k"),
        *("cassandra://u:a#secret@h1/k", "cassandra://u:a?secret@h1/k"),
    ):
        with pytest.raises(BadSettings, match="ASSESS_HOT_STORE") as raised:
            parse_cassandra_url(url)
        assert "secret" not in str(raised.value)
