"""JSON Schemas of records: by msgspec, with what their docstrings say as descriptions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from model import limits

Schema = dict[str, Any]

REF = "#/components/schemas/"

_ATTRIBUTE = re.compile(r"(\w+(?:, \w+)*): (.*)")
_LIMIT = re.compile(r"`model\.limits\.([A-Z_]+)`")
_NONE = re.compile(r"\bNone\b")
_OURS = re.compile(r" \(`(?:model|chat|server)\.[\w.]+`\)")


def components(
    types: Iterable[Any], names: Mapping[Any, str] | None = None, sent: Iterable[Any] = ()
) -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each type, and under their names those of all records that they are made of.

    Fields that are left out when they are None are not said to be nullable: None is how Python says that they are not
    there.

    Args:
        types: what `msgspec` can describe.
        names: what to call a record, where that is not its class's name.
        sent: those of the types that come from clients, who may write null for what they leave out.
    """
    wanted = list(types)
    null = {kind.__name__ for kind in sent}
    found, parts = msgspec.json.schema_components(wanted, ref_template=REF + "{name}")
    renamed = {
        schema["$ref"].removeprefix(REF): names[kind]
        for kind, schema in zip(wanted, found, strict=True)
        if names and kind in names and "$ref" in schema
    }
    schemas = {}
    for name, schema in parts.items():
        schemas[renamed.get(name, name)] = _tidy(_rename(schema, renamed), null=name in null)
    return [_rename(schema, renamed) for schema in found], schemas


def summary_of(record: Any) -> str:
    """The first sentence or paragraph of a docstring, in Markdown, on one line."""
    return " ".join(_markdown(inspect.getdoc(record) or "").split("\n\n")[0].split())


def text_of(record: Any) -> str:
    """A docstring without its attributes, in Markdown."""
    return _split(inspect.getdoc(record) or "")[0]


def _rename(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        if (name := str(node.get("$ref", "")).removeprefix(REF)) in names:
            return {"$ref": REF + names[name]}
        return {key: _rename(value, names) for key, value in node.items()}
    return [_rename(item, names) for item in node] if isinstance(node, list) else node


def _tidy(schema: Schema, *, null: bool) -> Schema:
    schema.pop("title", None)  # the name of a class, which is nobody's business but ours
    text, attributes = _split(inspect.cleandoc(schema.pop("description", "")))
    tidy: Schema = {"description": text, **schema} if text else dict(schema)
    if "properties" in schema:
        tidy["properties"] = {
            name: _described(value if null else _without_none(value), attributes.get(name))
            for name, value in schema["properties"].items()
        }
    return tidy


def _without_none(schema: Schema) -> Schema:
    if schema.get("default", ...) is not None or "anyOf" not in schema:
        return schema
    (kept,) = (one for one in schema["anyOf"] if one != {"type": "null"})
    return dict(kept)


def _described(schema: Schema, text: str | None) -> Schema:
    if text is None:
        return schema
    if "$ref" in schema:  # what stands beside a reference does not count in every reader's book
        schema = {"allOf": [{"$ref": schema.pop("$ref")}], **schema}
    return {"description": text, **schema}


def _split(docstring: str) -> tuple[str, dict[str, str]]:
    """The text, and that of each attribute under ``Attributes:`` (Google's form, in which our docstrings are)."""
    text, _, block = _markdown(docstring).partition("\n\nAttributes:\n")
    attributes: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc("\n" + block).splitlines():
        if (match := _ATTRIBUTE.fullmatch(line)) is not None:
            names = match[1].split(", ")
            attributes |= dict.fromkeys(names, match[2])
        else:
            attributes |= {name: f"{attributes[name]} {line.strip()}" for name in names}
    return text.strip(), attributes


def _markdown(docstring: str) -> str:
    found = _LIMIT.sub(lambda match: str(getattr(limits, match[1])), docstring)
    return _NONE.sub("not there", _OURS.sub("", found).replace("``", "`"))
