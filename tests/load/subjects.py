"""Who is measured: Parley, the two baselines, and whatever command somebody names."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.process import ROOT, inherited_environment

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Talk:
    """How the generator talks to a server, in its templates (the head of wsload.c)."""

    url: str
    pub: str
    header: str = ""
    join: str = ""
    wait: str = ""
    acks: str = ""
    refusals: str = ""

    def options(self, ports: Sequence[int], *, idle: bool, acks: bool) -> list[str]:
        """Return the generator's options for servers on `ports` of 127.0.0.1."""
        words = [word for port in ports for word in ("--url", f"ws://127.0.0.1:{port}{self.url}")]
        if self.header:
            words += ["--header", self.header]
        if self.join:
            words += ["--join", self.join, "--wait-join", self.wait]
        if idle:
            return words
        if acks and self.acks:
            words += ["--acks", self.acks]
        if self.refusals:
            words += ["--refusals", self.refusals]
        return [*words, "--pub", self.pub, "--size", "80", "--ack", "all"]


NATIVE = Talk(
    url="/chat?u={user}",
    header="Sec-WebSocket-Protocol: parley.v1",
    join='{"type":"join","room":"{room}"}',
    wait='"joined"',
    pub='{"type":"message","room":"{room}","id":"{n}","content":"{payload}"}',
    acks='"type":"ack"',
    refusals='"type":"error"',
)
# Several nodes of this checkout.
SEVERAL = ("nodes", "edges")
RAW = Talk(url="/chat?r={room}&u={user}", pub="{payload}")


@dataclass(frozen=True)
class Subject:
    """One server: `command` holds `{port}`; `env` is all that it sees of the environment, with PORT.

    `nodes`: how many of them work together; with `at_edges`, the one that has the rooms gets no clients.
    """

    key: str
    title: str
    command: tuple[str, ...]
    talk: Talk = RAW
    env: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 1
    at_edges: bool = False

    @property
    def is_parley(self) -> bool:
        """Whether it stores messages, and says so in acks and at /ready."""
        return self.talk is NATIVE

    @property
    def is_this(self) -> bool:
        """Whether it is this checkout, in which nothing may be lost."""
        return self.key in ("parley", *SEVERAL)


# A load test is a flood by intent.
_PARLEY_SETTINGS = {"HOST": "127.0.0.1", "RATE_LIMIT_MESSAGES": "0", "LOG_LEVEL": "warning"}


def parley() -> Subject:
    """This checkout, with its default settings but for the rate limit."""
    command = (sys.executable, str(ROOT / "main.py"), "--port", "{port}")
    return Subject("parley", "Parley", command, NATIVE, {**inherited_environment(), **_PARLEY_SETTINGS})


def several(count: int) -> list[Subject]:
    """Several nodes of this checkout, with clients at all of them, and with clients at the edges alone."""
    nodes = replace(parley(), key="nodes", title=f"Parley, {count} nodes", nodes=count)
    return [nodes, replace(nodes, key="edges", title=f"{nodes.title}, no clients at the owner", at_edges=True)]


def against(command: str) -> Subject:
    """Another server of Parley's kind, by its command. It runs in an empty folder, so names of files become whole."""
    words = [str(Path(word).absolute()) if Path(word).is_file() else word for word in shlex.split(command)]
    return Subject("against", "the other", tuple(words), NATIVE, {**inherited_environment(), **_PARLEY_SETTINGS})


def baselines() -> list[Subject]:
    """The obvious ways to write such a server."""
    return [
        Subject(
            f"baseline_{library}",
            title,
            (sys.executable, str(HERE / f"baseline_{library}.py"), "{port}"),
            env=inherited_environment(),
        )
        for library, title in (("aiohttp", "aiohttp, send_str"), ("websockets", "websockets, broadcast"))
    ]


def limit(program: Path) -> Subject:
    """The least work there can be: C, one send for each delivery."""
    return Subject("limit", "C, one send each", (str(program), "{port}", "0"), env=inherited_environment())
