"""The settings on which all nodes of an installation must agree, as texts that nodes can compare."""

from collections.abc import Iterator, Mapping
from typing import Any

from server.settings.setting import show
from server.settings.table import SETTINGS
from server.settings.values import Settings


def shared_settings(settings: Settings) -> dict[str, str]:
    """Return the value of each shared setting by its name, in the order of the table; "" for one without a value.

    Equal values have equal texts, however they were typed. There is no secret among them.
    """
    return {setting.name: _text(getattr(settings, setting.name.lower())) for setting in SETTINGS if setting.shared}


def disagreements(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    """Yield ``EDIT_WINDOW is 60 here and 30 there`` for each shared setting that has another value at another node.

    A setting that the other node lacks counts as its default, since an earlier version behaves like that. One that this
    node lacks is compared by the other node alone.

    Args:
        ours: the `shared_settings` of this node.
        theirs: those of the other one.
    """
    for setting in SETTINGS:
        if setting.shared:
            here, there = ours[setting.name], theirs.get(setting.name, _text(setting.default))
            if here != there:
                yield f"{setting.name} is {here or 'unset'} here and {there or 'unset'} there"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if type(value) is tuple:  # not a `Rate`
        value = tuple(sorted(value))  # their order means nothing
    return "" if value is None else show(value)
