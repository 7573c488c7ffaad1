import gc
import time

import pytest

from server import memory
from server.memory import EVERY_SECONDS, SHARE, SPARE_BYTES, Memory, resident

MB = 1 << 20
PIECE = 20_000
PIECES = 5000


def hold_and_free() -> list[bytes]:
    """Free 100 MB of this process between pieces that stay, as clients do that send much and go away."""
    staying, freed = [], []
    for number in range(PIECES):
        freed.append(bytes(bytearray(PIECE)))
        staying.append(b"%d" % number * 300)
    freed.clear()
    gc.collect()
    return staying


@pytest.mark.skipif(memory._trim is None, reason="the C library is not glibc")
def test_what_is_free_is_given_back_when_it_is_time() -> None:
    looked_after = Memory(0.0)
    staying = hold_and_free()
    before = resident()
    looked_after.give_back(EVERY_SECONDS / 2)
    assert resident() > before - 10 * MB
    looked_after.give_back(EVERY_SECONDS)
    assert resident() < before - 60 * MB
    assert len(staying) == PIECES


def test_a_little_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda pad: pytest.fail("it is not worth it"))
    looked_after = Memory(0.0)
    looked_after._least = resident() - SPARE_BYTES // 2
    looked_after.give_back(EVERY_SECONDS)


def test_it_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    times = iter([1.0, 1.5, 2.0, 2.0])
    monkeypatch.setattr(time, "thread_time", lambda: next(times))
    monkeypatch.setattr(memory, "_trim", calls.append)
    looked_after = Memory(0.0)
    looked_after._least = -SPARE_BYTES
    looked_after.give_back(EVERY_SECONDS)
    again = EVERY_SECONDS + 0.5 / SHARE
    looked_after.give_back(again - 1)
    assert len(calls) == 1
    looked_after.give_back(again)
    assert len(calls) == 2


def test_where_nothing_can_be_done_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", None)
    monkeypatch.setattr(memory, "_STATM", memory._STATM.with_name("not there"))
    assert resident() == 0
    Memory(0.0).give_back(EVERY_SECONDS)
