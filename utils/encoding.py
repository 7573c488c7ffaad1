"""Encode JSON in the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")
U = TypeVar("U")


class EncodedOnce(Sequence[T]):
    """A sequence that is part of many frames, whose items are encoded once.

    It is immutable: :meth:`followed_by` makes a longer one, which keeps the encoded items. Encoding the 200 users
    in the snapshot of a large room took 40 us for each client that joined (measured).
    """

    __slots__ = ("_array", "_encoded", "_items", "_mapped")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = tuple(items)
        self._encoded = 0  # how many of them are in the array
        self._array = b"[]"
        self._mapped: dict[Callable[[T], Any], EncodedOnce[Any]] = {}

    @classmethod
    def of(cls, items: Sequence[T]) -> EncodedOnce[T]:
        """Return ``items`` itself if it is one already."""
        return items if isinstance(items, EncodedOnce) else cls(items)

    def __getitem__(self, at: Any) -> Any:
        return self._items[at]

    def __len__(self) -> int:
        return len(self._items)

    def followed_by(self, items: Iterable[T]) -> EncodedOnce[T]:
        """Return the items of this sequence and then these."""
        longer = EncodedOnce((*self._items, *items))
        longer._encoded, longer._array, longer._mapped = self._encoded, self._array, self._mapped.copy()
        return longer

    def mapped(self, function: Callable[[T], U]) -> EncodedOnce[U]:
        """Return the results of ``function``, which is called once for each item."""
        known = cast(EncodedOnce[U], self._mapped.get(function, EncodedOnce()))
        if len(known) < len(self._items):
            known = self._mapped[function] = known.followed_by(map(function, self._items[len(known) :]))
        return known

    def as_json(self) -> msgspec.Raw:
        """Return the JSON array of the items."""
        if self._encoded < len(self._items):
            more = b",".join(map(to_json, self._items[self._encoded :]))
            self._array = b"%b,%b]" % (self._array[:-1], more) if self._encoded else b"[%b]" % more
            self._encoded = len(self._items)
        return msgspec.Raw(self._array)

    def json_bytes(self) -> int:
        """Return the size of :meth:`as_json`."""
        self.as_json()
        return len(self._array)


def _encode_other(value: Any) -> msgspec.Raw:
    if isinstance(value, EncodedOnce):
        return value.as_json()
    raise NotImplementedError(f"{type(value)} has no JSON")


# Encode a record, or anything else that `msgspec` knows, as JSON in UTF-8.
to_json = msgspec.json.Encoder(enc_hook=_encode_other).encode
