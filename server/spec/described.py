"""How a dialect is described for ``/asyncapi.json``: one file beside this one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct


class Frame(NamedTuple):
    """One kind of frame.

    Attributes:
        name: of the message in the document; a word of letters, unique within the document.
        payload: the type that its JSON is of (`msgspec`), or str for a frame that is raw text.
        example: a value of that type.
        summary: a sentence; the first one of the payload's docstring by default.
        answers: names of the frames that answer this one, for those of clients.
    """

    name: str
    payload: Any
    example: Any
    summary: str = ""
    answers: tuple[str, ...] = ()


TOKEN: Mapping[str, Any] = {
    "type": "string",
    "pattern": "^Bearer ",
    "description": "The token of an account, a JSON Web Token of the application; or that of a guest, from `welcome`.",
}
"""The header ``Authorization``."""


class Description(NamedTuple):
    """A dialect as a client needs to know it.

    Attributes:
        dialect: its `chat.ports.Dialect.name`.
        path: where it is spoken.
        title: a few words; ``text`` says more, in Markdown.
        query: the parameters of the address, a Struct whose docstring describes them.
        headers: of the opening handshake, as JSON Schemas by name; those that may be left out end with ``?``.
        client: what clients say; ``server``: what the server says.
    """

    dialect: str
    path: str
    title: str
    text: str
    query: type[Struct]
    client: tuple[Frame, ...]
    server: tuple[Frame, ...]
    headers: Mapping[str, Mapping[str, Any]] = {}
