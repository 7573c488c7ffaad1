"""The URL of a database: what is accepted, and that an error names the mistake without repeating the URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.postgres.connection.url import place_of, read_url, without_url

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgresql://u:p@h/d", {"user": "u", "password": "p", "host": "h", "dbname": "d"}),
        ("postgres://u@[::1]:5/d", {"user": "u", "host": "::1", "port": "5", "dbname": "d"}),
        (
            "postgresql://u:p@h1:5432,h2:5433/d?target_session_attrs=read-write",
            {"host": "h1,h2", "port": "5432,5433", "target_session_attrs": "read-write"},
        ),
        ("postgresql://u:p@h1,h2/d?port=5,6", {"host": "h1,h2", "port": "5,6"}),
        ("postgresql://u:p@/d?host=h1,h2&port=5,6", {"host": "h1,h2", "port": "5,6"}),
        ("postgresql://u@%2Frun%2Fpg/d", {"host": "/run/pg"}),
        ("postgresql:///d?user=me@server", {"user": "me@server"}),
        ("postgresql://u:p%40a%2Fb@h/d", {"password": "p@a/b"}),
        ("postgresql://u:p#[x]@h/d", {"password": "p#[x]"}),
        ("postgresql://u@h/d?options=-csearch_path%3Dparley&ssl=true", {"options": "-csearch_path=parley"}),
        ("postgresql://", {}),
    ],
)
def test_urls_that_libpq_accepts_are_accepted(url: str, parts: dict[str, str]) -> None:
    assert parts.items() <= read_url(url).items()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://app:a@{SECRET}@h:5432/d", "more than one @ before the database: write %40"),
        (f"postgresql://app@corp:{SECRET}@h/d", "more than one @"),
        (f"postgresql://app:a/{SECRET}@h/d", "an @ after a /: write %2F"),
        (f"postgresql://app:12/{SECRET}@h/d", "an @ after a /: write %2F"),
        (f"postgresql://app:a?{SECRET}@h/d", "an @ after a ?: write %3F"),
        (f"postgresql://app:12?{SECRET}=1@h/d", "an @ after a ?: write %3F"),
        (f"postgresql://app:%{SECRET}@h/d", "a % that encodes nothing: write %25"),
        (f"postgresql://app:{SECRET}", "a port that is not a whole number"),
        (f"postgresql://app:{SECRET}@h:x/d", "a port that is not a whole number"),
        (f"postgresql://app:{SECRET}@h:0/d", "a port that is not a whole number"),
        (f"postgresql://app:{SECRET}@h:5432,h:65536/d", "a port that is not a whole number"),
        (f"postgresql://app:{SECRET}@[::1/d", "is not a valid postgresql:// URL"),
        (f"postgresql://app:{SECRET}%00@h/d", "is not a valid postgresql:// URL"),
        (f"postgresql://app:{SECRET} x@h/d", "is not a valid postgresql:// URL"),
        (f"mysql://app:{SECRET}@h/d", "must be postgresql://"),
        (f"postgresql:{SECRET}", "must be postgresql://"),
        (f"postgresql://app:p@h/d?{SECRET}=1", "a parameter that PostgreSQL does not know"),
        ("postgresql://app:p@h/d?schema=chat", "a parameter that PostgreSQL does not know: schema"),
        ("postgresql://app:p@h/d?sslmode=require&pgbouncer=true", "that PostgreSQL does not know: pgbouncer"),
        ("postgresql://app:p@h/d?connection_limit=5", "that PostgreSQL does not know: connection_limit"),
        ("postgresql://app:p@h/d?timezone", "that PostgreSQL does not know: timezone"),
    ],
)
def test_a_mistake_is_named_and_the_url_is_not_repeated(url: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_url(url)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(password=st.text(st.sampled_from("@/?#%[]:,&=+ \\'\"aé0"), min_size=1, max_size=8))
def test_an_error_never_repeats_the_password(password: str) -> None:
    """As typed into the URL, encoded or not: it is accepted, or refused without being repeated."""
    secret = f"s3cr3t{password}w0rd"
    said = ""
    try:
        said = place_of(read_url(f"postgresql://app:{secret}@db.example/chat"))
        assert said == "db.example:5432/chat"
    except ValueError as refused:
        said = str(refused)
    assert "s3cr3t" not in said
    assert "w0rd" not in said


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://app:hunter2@127.0.0.1/chat", "127.0.0.1:5432/chat"),
        ("postgresql://app:hunter2@a:6432,b/chat", "a:6432,b:5432/chat"),
        ("postgresql://app@a,b:6432/chat", "a:5432,b:6432/chat"),
        ("postgresql:///chat?host=/run/postgresql&user=app&password=hunter2", "/run/postgresql:5432/chat"),
        ("postgresql://app:hunter2@[::1]:6432", "::1:6432"),
        ("postgresql://", "the local socket:5432"),
        ("postgresql:///chat", "the local socket:5432/chat"),
    ],
)
def test_the_place_of_a_database_has_hosts_ports_and_database(
    monkeypatch: pytest.MonkeyPatch, url: str, place: str
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    assert place_of(read_url(url)) == place


def test_the_place_of_a_database_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert place_of(read_url("postgresql:///chat")) == "db.example:5432/chat"


PARTS = {"user": "app", "password": "hunter2", "host": "db1.example,10.0.0.5", "port": "5432,6432", "dbname": "chat"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("failed to resolve host 'db1.example': no", "failed to resolve host '<host>': no"),
        (
            'connection to server at "10.0.0.5", port 6432 failed: Connection refused\n\tIs the server running on that '
            "host and accepting TCP/IP connections?",
            "Connection refused",
        ),
        (
            'connection failed: connection to server at "db1.example" (10.0.0.4), port 5432 failed: FATAL:  no',
            "FATAL: no",
        ),
        ('connection is bad: connection to server on socket "/x/.s.PGSQL.5432" failed: No such file', "No such file"),
        (
            "connection failed: refused\nMultiple connection attempts failed. All failures were:\n"
            "- host: 'db1.example', port: '5432', hostaddr: '10.0.0.4': connection failed: no\n\tIs it running?\n"
            "- host: 'db1.example', port: '5432', hostaddr: '10.0.0.6': connection failed: no\n\tIs it running?\n"
            "- host: '10.0.0.5', port: '6432', hostaddr: '10.0.0.5': connection to server at \"10.0.0.5\", port 6432"
            " failed: refused for hunter2",
            "host 1 of 2: no; host 2 of 2: refused for <password>",
        ),
        ("- host: '10.0.0.5', port: '5432'\n- host: '10.0.0.5', port: '5432'", "- host: '<host>', port: '<port>'"),
        (
            'FATAL: password authentication failed for user "app"',
            'FATAL: password authentication failed for user "<user>"',
        ),
        ('database "chat" does not exist, an app', 'database "<dbname>" does not exist, an app'),
        ("something of hunter2, hunter23", "something of <password>, hunter23"),
        ("x" * 1000, "x" * 300 + "..."),
    ],
)
def test_libpqs_message_is_passed_on_without_the_url(said: str, told: str) -> None:
    assert without_url(said, PARTS) == told
