"""The counts can fail: what is wrong with a reaction is found, and called by its name."""

from typing import Any

import pytest

from tests.support.copies import Copy
from tests.support.counts import Counts, count
from tests.support.operations import Frame, Log, Operation, Post, Reaction
from tests.support.person import Notes, Person

ROOM = "red"
SAID: Frame = {"type": "message", "seq": 1, "version": 1, "sender_id": "ann", "id": "m", "content": "hello"}
ON, OFF, AGAIN = (Reaction(f"r{number}", ROOM, 1, "+1", on) for number, on in enumerate((True, False, True)))


def counted(
    reactors: list[str], *operations: Operation, refused: str = "", held: list[str] | None = None, at: int = 1
) -> Counts:
    """Ann said something and asked for these; of them `refused` was refused, the others were acked at a seq."""
    ann = Person(Notes(), "ann", [ROOM])
    ann.user = "ann"
    ann.sent = [Post("m", ROOM, "hello"), *operations]
    ann.acked = {"m": {1}, **{operation.id: {at} for operation in operations if operation.id != refused}}
    ann.given_up = {refused: "no_such_message"} if refused else {}
    ann.copies[ROOM].states = {1: _with(reactors if held is None else held)}
    return count([ann], {ROOM: Log([_with(reactors)])})


def _with(reactors: list[str]) -> Frame:
    return SAID | {"reactions": {"+1": reactors}} if reactors else SAID


def test_the_last_acked_message_is_found() -> None:
    for reactors, asked in ((["ann"], [ON]), ([], [ON, OFF]), (["ann"], [ON, OFF, AGAIN]), ([], [OFF])):
        assert counted(reactors, *asked).clean, counted(reactors, *asked)


@pytest.mark.parametrize(
    ("which", "wrong"),
    [
        ("acked_and_lost", counted([], ON)),
        ("acked_and_lost", counted(["ann"], ON, OFF)),
        ("acked_and_lost", counted([], ON, OFF, AGAIN)),
        ("stored_twice", counted(["ann", "ann"], ON)),
        ("out_of_place", counted(["ann"], ON, at=2)),
        ("shown_but_not_in_history", counted(["ben"])),
        ("shown_but_not_in_history", counted([], ON, OFF, held=["ann"])),
        ("stored_but_not_shown", counted(["ann"], ON, held=[])),
        ("refused_but_stored", counted(["ann"], ON, refused=ON.id)),
        ("refused_for_nothing", counted([], ON, refused=ON.id)),
    ],
)
def test_violations_are_counted(which: str, wrong: Any) -> None:
    assert getattr(wrong, which) > 0, wrong
    assert not wrong.clean
    assert wrong.examples


def test_a_room_that_is_joined_again_while_its_history_is_loaded() -> None:
    """What follows continues what the client has received since; a `joined` that it has asked for begins anew."""

    def joined(head: int, **more: Any) -> Frame:
        return {"type": "joined", "epoch": "e_1", "head": head, **more}

    def said(seq: int) -> Frame:
        return SAID | {"seq": seq, "version": seq, "sender": "Ann"}

    copy = Copy()
    assert copy.on_joined(joined(5, recovered=False))
    copy.on_state(said(6))
    assert not copy.on_joined(joined(8, recovered=True))
    for seq in (7, 8):
        copy.on_state(said(seq))
    copy.on_synced({"head": 8})
    assert (copy.loaded, copy.synced) == (False, True)
    assert copy.on_page({"messages": [said(seq) for seq in range(1, 9)], "has_older": False}) is None
    assert copy.settled
    assert copy.disorder == 0
    copy.on_state(said(8))
    assert copy.disorder == 1
    copy.forget()
    assert copy.on_joined(joined(9, recovered=True, id="j"))


def test_a_resume_that_is_carried_out_twice() -> None:
    """All of it follows again: each state once, in order of version, and none older than the copy has it."""

    def said(seq: int, version: int = 0) -> Frame:
        return SAID | {"seq": seq, "version": version or seq, "sender": "Ann"}

    def replayed(*states: Frame, then: tuple[Frame, ...] = (), head: int = 5) -> int:
        copy = Copy()
        copy.loaded, copy.epoch, copy.since = True, "e_1", 1
        for asked, what in ((1, [said(2), said(4), said(3, 5)]), (1, states)):
            joined = {"type": "joined", "id": "j", "epoch": "e_1", "head": head, "recovered": True}
            assert not copy.on_joined(joined, asked)
            for state in what:
                copy.on_state(state)
            copy.on_synced({"head": head})
        for state in then:
            copy.on_state(state)
        assert copy.settled
        return copy.disorder

    assert replayed(said(2), said(4), said(3, 5)) == 0
    assert replayed(said(2), said(4), said(3, 5), said(6)) == 0
    assert replayed(said(4), said(2), said(3, 5)) == 1, "out of order"
    assert replayed(said(2), said(2), said(4)) == 1, "one twice"
    assert replayed(said(0), said(2)) == 1, "not asked for"
    assert replayed(said(2), said(3), said(4)) == 1, "older than the copy has it"
    assert replayed(said(2), then=(said(4),)) == 1, "after the end of the replay"
