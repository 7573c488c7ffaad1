"""TLS, users, credentials files and permissions of NATS: what a node needs to get in, and what it never gives away."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from server.bus import nats as module
from tests.contract.ears import Listen, is_up
from tests.contract.records import until
from tests.support.certificates import Authority
from tests.support.nats import NatsServer
from tests.support.nats_accounts import Operator

PASSWORD = "hush/@:%"
ESCAPED = "hush%2F%40%3A%25"
SEED = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
USER = 'authorization {{ user: "ann", password: "{}" }}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def tls(authority: Authority, subject: str = "IP:127.0.0.1") -> str:
    certificate, key = authority.issue(subject)
    return f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}'


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["tls", "nats"])
async def test_tls_with_an_own_authority(authority: Authority, listen: Listen, scheme: str) -> None:
    """A server that requires TLS gets it with nats://, too."""
    with NatsServer(tls(authority), scheme=scheme) as server:
        ann, ben = await listen(server.url, "ann", "ben", authorities=str(authority.file))
        await is_up(ann, ben)
        ann.bus.send("ben", bytes(900_000))
        await until(lambda: ben.heard == [bytes(900_000)])
        assert all(connection["tls_version"] for connection in server.ask("connz")["connections"])
        server.kill()
        await until(lambda: not ann.bus.up)
        server.start()
        await until(lambda: ann.ups == 2)


@pytest.mark.parametrize(
    ("subject", "known", "hint"),
    [
        ("IP:127.0.0.1", False, "; is its CA the one in NATS_CA?"),
        ("DNS:elsewhere.example", True, "; is this the name in its certificate?"),
    ],
    ids=["authority", "name"],
)
async def test_a_wrong_certificate_is_refused(
    authority: Authority, listen: Listen, caplog: pytest.LogCaptureFixture, subject: str, known: bool, hint: str
) -> None:
    configuration = f"{tls(authority, subject)}\n{USER.format(PASSWORD)}"
    with NatsServer(configuration, scheme="tls", login=f"ann:{ESCAPED}") as server:
        (ann,) = await listen(server.url, "ann", authorities=str(authority.file) if known else "")
        await until(lambda: "certificate verify failed" in caplog.text)
        assert hint in caplog.text
        assert hint in ann.bus.problem
        await until(lambda: server.log().count("TLS handshake error") > 5)
        assert not ann.bus.up
        ours = [record for record in caplog.records if record.name == "server.bus.nats"]
        assert len(ours) == 1, "it is tried again, and logged once"


@asynccontextmanager
async def impostor(*answers: bytes, port: int = 0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Say one of these to each client, in turn; yields host and port, and what each client has sent."""
    received: list[bytes] = []
    next_answer = cycle(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(next_answer))
        try:
            async with asyncio.timeout(0.1):
                received.append(await reader.read(1000))
        except (OSError, TimeoutError):
            received.append(b"")
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", received


async def test_nothing_is_sent_in_clear_to_a_tls_url(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    info = b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"auth_required":true,"proto":1}\r\n'
    async with impostor(info) as (where, received):
        (ann,) = await listen(f"tls://ann:{ESCAPED}@{where}", "ann")
        await until(lambda: "it offers no TLS, which tls:// in NATS_URL requires" in caplog.text)
        await until(lambda: len(received) >= 3)
        await ann.bus.close()
    assert set(received) == {b""}


# --- users -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "login"),
    [
        (USER.format(PASSWORD), f"ann:{ESCAPED}"),
        (f'authorization {{ token: "{PASSWORD}" }}', ESCAPED),
    ],
    ids=["password", "token"],
)
async def test_a_user_in_the_url(
    listen: Listen, caplog: pytest.LogCaptureFixture, configuration: str, login: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with NatsServer(configuration, login=login) as server:
        ann, ben = await listen(server.url, "ann", "ben", name="n1:8080")
        await is_up(ann, ben)
        assert {connection["name"] for connection in server.ask("connz")["connections"]} == {"n1:8080"}
    await until(lambda: "out of reach" in caplog.text)
    assert "hush" not in caplog.text


@pytest.mark.parametrize("encrypted", [False, True], ids=["", "TLS"])
async def test_a_wrong_password_is_logged_once_and_tried_again(
    authority: Authority, listen: Listen, caplog: pytest.LogCaptureFixture, encrypted: bool
) -> None:
    around = f"{tls(authority)}\n" if encrypted else ""
    options: dict[str, Any] = {"authorities": str(authority.file)} if encrypted else {}
    with NatsServer(around + USER.format("another"), login=f"ann:{ESCAPED}") as server:
        ears = await listen(server.url, "ann", "ben", **options)
        await until(lambda: server.log().count("authentication error") >= 5)
        assert (
            caplog.messages
            == [
                f"NATS at 127.0.0.1:{server.port}: Authorization Violation; "
                "check NATS_CREDS, or the user and password in NATS_URL"
            ]
            * 2
        )
        await asyncio.to_thread(server.reconfigure, around + USER.format(PASSWORD))
        await is_up(*ears)
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ('publish: "chat.>", subscribe: "other.>"', ['subscription to "chat.all"', 'subscription to "chat.node.ann"']),
        ('publish: "other.>", subscribe: "chat.>"', ['publish to "chat.node.ann"']),
    ],
)
async def test_a_bus_without_permissions_is_down_and_says_so_once(
    listen: Listen, caplog: pytest.LogCaptureFixture, allowed: str, refused: list[str]
) -> None:
    """Until they are granted, which needs no restart of the node."""
    caplog.set_level(logging.INFO, "server.bus.nats")

    def users(permissions: str) -> str:
        return f"authorization {{ users: [{{ user: ann, password: x, permissions {{ {permissions} }} }}] }}"

    with NatsServer(users(allowed), login="ann:x") as server:
        (ann,) = await listen(server.url, "ann", prefix="chat")
        await until(lambda: server.ask("varz")["total_connections"] >= 4)
        assert not ann.bus.up
        assert ann.ups == 0
        words = [f"NATS at 127.0.0.1:{server.port}: permissions violation for {what}" for what in refused]
        assert sorted(caplog.messages) == words
        assert ann.bus.problem in words
        await asyncio.to_thread(server.reconfigure, users('publish: "chat.>", subscribe: "chat.>"'))
        await is_up(ann)
        assert ann.bus.problem == ""


# --- credentials files -----------------------------------------------------------------------------------------------


async def test_a_credentials_file(tmp_path: Path, listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    """Also one that expires while the node is connected: a new file needs no restart."""
    operator, file = Operator(), tmp_path / "node.creds"
    operator.write_credentials(file, seconds=2)
    with NatsServer(operator.configuration) as server:
        ann, ben = await listen(server.url, "ann", "ben", credentials=str(file))
        await is_up(ann, ben)
        ann.bus.send("ben", b"hello")
        await until(lambda: ben.heard == [b"hello"])
        await until(lambda: not ann.bus.up and not ben.bus.up)
        await until(lambda: "Authorization Violation; check NATS_CREDS" in caplog.text)
        operator.write_credentials(file)

        def heard_again() -> bool:
            ann.bus.send("ben", b"again")
            return b"again" in ben.heard

        await until(heard_again)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("", "does not contain the seed of a user"),
        (f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END", "does not contain the JWT of a user"),
        ("-----BEGIN NATS USER JWT-----\nx\n-----BEGIN USER NKEY SEED-----\nSUAX\n", "has an invalid seed"),
    ],
    ids=["gone", "empty", "no JWT", "bad seed"],
)
async def test_a_credentials_file_that_was_damaged_is_named(
    tmp_path: Path, listen: Listen, caplog: pytest.LogCaptureFixture, text: str | None, reason: str
) -> None:
    """And read again until it is valid."""
    operator, file = Operator(), tmp_path / "node.creds"
    if text is not None:
        file.write_text(text)
    with NatsServer(operator.configuration) as server:
        (ann,) = await listen(server.url, "ann", credentials=str(file))
        await until(lambda: reason in caplog.text)
        assert str(file) in caplog.text
        operator.write_credentials(file)
        await is_up(ann)


# --- another program on the port of NATS -----------------------------------------------------------------------------


RUBBISH = (
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\xff\xfe\x00" * 100 + b"\r\n",
    b"INFO not json\r\n",
    b"INFO [1]\r\n",
    b'INFO {"max_payload":"many"}\r\n-ERR \xff\r\n',
    b'INFO {"connect_urls":["[::1","x:y:z"]}\r\nPONG\r\n',
    b"INFO {}\r\nPONG\r\nMSG parley x\r\nrubbish\r\n",
    b"INFO {}\r\nPONG\r\nMSG parley 1 99999999999\r\n" + b"x" * 200_000,
    b"x" * 200_000,
    b"INFO " + b"x" * 200_000 + b"\r\n",
)


@pytest.mark.slow
async def test_rubbish_on_the_port_is_survived(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, and when another program has taken the port in an outage."""
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.5)
    server = NatsServer()
    try:
        async with impostor(*RUBBISH, port=server.port) as (_, said):
            (ann,) = await listen(server.url, "ann")
            await until(lambda: len(said) > len(RUBBISH))
        await asyncio.to_thread(server.start)
        await is_up(ann)
        await asyncio.to_thread(server.kill)
        await until(lambda: not ann.bus.up)
        async with impostor(*RUBBISH, port=server.port) as (_, said):
            await until(lambda: len(said) > len(RUBBISH))
        await asyncio.to_thread(server.start)
        await is_up(ann)
    finally:
        server.remove()


# --- another program that may publish, without the key ---------------------------------------------------------------


class Stranger:
    """Speaks the protocol of NATS itself."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._writer: asyncio.StreamWriter | None = None

    async def publish(self, subject: str, reply_bytes: int, payload: bytes, *, headers: bool) -> bool:
        """Publish with a reply subject of so many bytes. Returns whether NATS has accepted it."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port)
            options = {"verbose": False, "headers": True, "user": "ann", "pass": PASSWORD}
            self._writer.write(b"CONNECT %b\r\n" % json.dumps(options).encode())
        operation, head = (b"HPUB", b"NATS/1.0\r\n\r\n") if headers else (b"PUB", b"")
        sizes = b"%d %d" % (len(head), len(head + payload)) if headers else b"%d" % len(payload)
        self._writer.write(b"%b %b %b %b\r\n" % (operation, subject.encode(), b"r" * reply_bytes, sizes))
        self._writer.write(head + payload + b"\r\nPING\r\n")
        try:
            while line := await self._reader.readline():
                if line == b"PONG\r\n":
                    return True
        except ConnectionResetError:
            pass
        self.close()  # as NATS has done
        return False

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


@pytest.mark.parametrize("headers", [False, True], ids=["MSG", "HMSG"])
async def test_long_subjects_make_no_lines_of_a_message(
    listen: Listen, caplog: pytest.LogCaptureFixture, headers: bool
) -> None:
    """NATS accepts 4096 bytes of what a client publishes before the payload, and then sends more than that to others.

    An INFO that is taken out of a message could name a server to which the node would send its password.
    """
    info = b'INFO {"connect_urls":["%b"]}\r\nMSG a 1 100000000\r\n-ERR \'authorization violation\'\r\n'
    async with impostor(b"") as (where, received):
        payload = info % where.encode()
        with NatsServer(USER.format(PASSWORD), login=f"ann:{ESCAPED}") as server:
            ann, ben = await listen(server.url, "ann", "ben", prefix="parley.long")
            await is_up(ann, ben)
            stranger, sent = Stranger(server), 0
            with closing(stranger):
                for length in (1, 3000, *range(4000, 4096)):
                    sent += await stranger.publish("parley.long.all", length, payload, headers=headers)
            assert 40 < sent < 98, "the longest that NATS accepts is among them"
            ben.bus.send("ann", b"still here")
            await until(lambda: b"still here" in ann.heard)
            assert ann.heard == [*([] if headers else [payload] * sent), b"still here"]
            assert ann.ups == 1
            assert [line for name, _, line in caplog.record_tuples if name == "server.bus.nats"] == []
        assert received == []


async def test_a_server_that_breaks_the_protocol_is_left(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing after the first fault is read, and the log has the reason."""
    hello = b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"proto":1}\r\n'
    async with impostor(hello + b"MSG a 1 2\r\nhello\r\nINFO {}\r\n") as (where, received):
        (ann,) = await listen(f"nats://{where}", "ann")
        await until(lambda: len(received) >= 3)
        await ann.bus.close()
    assert ann.heard == []
    assert caplog.messages.count(f"NATS at {where}: it sent a message that does not end where it should") == 1
