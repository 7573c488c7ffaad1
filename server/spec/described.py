"""The description of a dialect for ``/asyncapi.json``; `server.spec.native` and `existing` describe the dialects."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

# Of the examples.
SEQ = 1795224671000001
AT = "2026-11-21T08:31:11.000001Z"

# The header ``Authorization``.
TOKEN: Mapping[str, Any] = {
    "type": "string",
    "pattern": "^Bearer ",
    "description": "An account's token, a JSON Web Token of the application; or a guest's token, from `welcome`.",
}


class Frame(NamedTuple):
    """One kind of frame.

    Attributes:
        name: the name of the message in the document; a word of letters, unique within the document.
        payload: the record of its JSON, or str for a frame of raw text.
        example: a value of that type.
        summary: a sentence; the first sentence of the payload's docstring by default.
        answers: for frames of clients, the names of the frames that answer them.
    """

    name: str
    payload: Any
    example: Any
    summary: str = ""
    answers: tuple[str, ...] = ()


class Description(NamedTuple):
    """The description of a dialect for its clients.

    Attributes:
        dialect: its `chat.ports.Dialect.name`.
        path: its path.
        title: a few words; ``text`` says more, in Markdown.
        query: the parameters of the address, a Struct whose docstring describes them.
        headers: of the opening handshake, as JSON Schemas by name; the names of optional ones end with ``?``.
        client: the frames that clients send; ``server``: those that the server sends.
    """

    dialect: str
    path: str
    title: str
    text: str
    query: type[Struct]
    client: tuple[Frame, ...]
    server: tuple[Frame, ...]
    headers: Mapping[str, Mapping[str, Any]] = {}


class Names(NamedTuple):
    """The names of a dialect's frames in the document: some tags, such as ``message``, are used in both directions.

    Attributes:
        request: with ``{}`` for the tag in camel case; ``event`` likewise.
    """

    request: str
    event: str

    def requests(self, examples: Iterable[tuple[Struct, tuple[str, ...]]]) -> tuple[Frame, ...]:
        """Return the frames that clients send: examples, each with the tags of its answers except ``error``."""
        return tuple(
            Frame(
                _name(self.request, _tag(example)),
                type(example),
                _without_defaults(example),
                answers=tuple(_name(self.event, tag) for tag in (*answers, "error")),
            )
            for example, answers in examples
        )

    def events(self, examples: Iterable[Struct]) -> tuple[Frame, ...]:
        """Return the frames that the server sends, one for each example."""
        return tuple(Frame(_name(self.event, _tag(example)), type(example), example) for example in examples)


def _tag(record: Struct) -> str:
    return str(record.__struct_config__.tag)


def _name(pattern: str, tag: str) -> str:
    return pattern.format("".join(part.capitalize() for part in tag.split("_")))


def _without_defaults(record: Struct) -> dict[str, Any]:
    """Return a record in the form in which a client sends it."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    given = msgspec.to_builtins(record)
    return {name: value for name, value in given.items() if value != defaults.get(name, ...)}
