import subprocess
import sys
import time

import pytest

from server import memory
from server.memory import EVERY_SECONDS, SHARE, SPARE_BYTES, Memory, resident
from tests.support.process import ROOT

# In a new process: in one that has run for long, freed memory is fragmented.
GIVE_BACK = """
import gc
from server.memory import EVERY_SECONDS, Memory, resident

looked_after = Memory(0.0)
staying, freed = [], []
for number in range(5000):  # 100 MB between pieces that stay, as of clients that send much and go away
    freed.append(bytes(bytearray(20_000)))
    staying.append(b"%d" % number * 300)
freed.clear()
gc.collect()
held = resident()
looked_after.give_back(EVERY_SECONDS / 2)
early = resident()
looked_after.give_back(EVERY_SECONDS)
print(held >> 20, early >> 20, resident() >> 20, len(staying))
"""


def test_free_memory_is_returned_to_the_system_when_due() -> None:
    done = subprocess.run([sys.executable, "-c", GIVE_BACK], cwd=ROOT, capture_output=True, text=True, check=True)
    held, early, after, staying = map(int, done.stdout.split())
    assert early > held - 10
    assert after < held - 60
    assert staying == 5000


def test_a_small_amount_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda pad: pytest.fail("it is not worth it"))
    looked_after = Memory(0.0)
    looked_after._least = resident() - SPARE_BYTES // 2
    looked_after.give_back(EVERY_SECONDS)


def test_trimming_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_without_malloc_trim_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", None)
    monkeypatch.setattr(memory, "_STATM", memory._STATM.with_name("not there"))
    assert resident() == 0
    Memory(0.0).give_back(EVERY_SECONDS)
