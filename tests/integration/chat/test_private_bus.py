"""Two nodes over a NATS that requires TLS and a password, with and without encryption of what they send each other."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg

from tests.integration.chat.conftest import url
from tests.support.certificates import Authority
from tests.support.client import Client
from tests.support.nats import NatsServer
from tests.support.serving import Serve

WORDS = "meet me at noon"
CONFIGURATION = """
tls {{ cert_file: "{}", key_file: "{}" }}
authorization {{ users: [
  {{ user: node, password: hush, permissions {{ publish: "chat.>", subscribe: "chat.>" }} }}
  {{ user: spy, password: x }}
] }}
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def private_nats(authority: Authority) -> Iterator[NatsServer]:
    configuration = CONFIGURATION.format(*authority.issue("IP:127.0.0.1"))
    with NatsServer(configuration, scheme="tls", login="node:hush") as server:
        yield server


@pytest.mark.one_server("it starts two nodes itself")
@pytest.mark.parametrize("encrypt", ["off", "on"])
async def test_who_listens_on_nats_reads_messages_unless_they_are_encrypted(
    authority: Authority, private_nats: NatsServer, serve: Serve, database_url: str, encrypt: str
) -> None:
    settings = {
        "DATABASE_URL": database_url,
        "NATS_URL": private_nats.url,
        "NATS_CA": str(authority.file),
        "NATS_PREFIX": "chat",
        "NATS_ENCRYPT": encrypt,
    }
    _, edge = await serve(**settings), await serve(**settings)
    seen: list[bytes] = []

    async def look(message: Msg) -> None:
        seen.append(message.data)

    trusting = ssl.create_default_context(cafile=authority.file)
    spy = await nats.connect(private_nats.url.replace("node:hush", "spy:x"), tls=trusting)
    await spy.subscribe(">", cb=look)
    await spy.flush()
    async with Client(url(edge), "ann", "general") as ann:
        await ann.say(WORDS, "1")
        await ann.expect("ack")
    await spy.flush()
    await spy.close()
    assert len(seen) > 1
    assert any(WORDS.encode() in data for data in seen) == (encrypt == "off")
