"""Count broken promises: compare what every client sent, received and saw with the rooms' logs."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.support.operations import Frame, Log, reactions
from tests.support.person import Person

COUNTED = "counts"  # the property of a test's report under which its counts travel to the summary of the run


class Counts(NamedTuple):
    """The counts of broken promises. The first four are those of docs/reliability.md; the others must be 0, too.

    Attributes:
        examples: the first case of each kind, in words.
    """

    operations: int
    acked: int
    acked_and_lost: int
    stored_twice: int
    out_of_place: int
    shown_but_not_in_history: int
    stored_but_not_shown: int
    refused_but_stored: int
    refused_for_nothing: int
    faults: list[str]
    examples: list[str]

    @property
    def clean(self) -> bool:
        return not any(self[2:])

    def __str__(self) -> str:
        four = (
            f"acked and lost {self.acked_and_lost}, stored twice {self.stored_twice}, "
            f"out of place {self.out_of_place}, shown but not in /history {self.shown_but_not_in_history}"
        )
        rest = {
            "in /history but not shown": self.stored_but_not_shown,
            "refused but stored": self.refused_but_stored,
            "refused for nothing": self.refused_for_nothing,
        }
        more = "".join(f", {what} {count}" for what, count in rest.items() if count)
        more += f", {self.faults}" if self.faults else ""
        more += "".join(f"; {example}" for example in self.examples)
        return f"{four}{more} (of {self.operations} operations, {self.acked} acked)"


def count(people: Sequence[Person], logs: Mapping[str, Log]) -> Counts:
    """Compare what every client sent, received and saw with the logs."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for person in people:
        for operation in person.sent:
            operation.note(person.user, logs[operation.room], refused=operation.id in person.given_up)
    for person in people:
        for what, words in _answers(person, logs):
            found[what].append(f"{what}: {person.name}'s {words}")
        for room, copy in person.copies.items():
            found["moved"] += [f"moved: what {person.name} was told of {room} does not add up"] * copy.disorder
            for what, words in _differences(copy.states, logs[room].states):
                found[what].append(f"{what}: {person.name} in {room}: {words}")
    for room, log in logs.items():
        for seq, emoji, user in log.unasked():
            found["phantom"].append(f"phantom: nobody asked for {emoji} of {user} to {seq} in {room}")
    return Counts(
        operations=sum(len(person.sent) for person in people),
        acked=sum(len(person.acked) for person in people),
        acked_and_lost=len(found["lost"]),
        stored_twice=len(found["twice"]),
        out_of_place=len(found["moved"]),
        shown_but_not_in_history=len(found["phantom"]),
        stored_but_not_shown=len(found["missed"]),
        refused_but_stored=len(found["lied"]),
        refused_for_nothing=len(found["refused for nothing"]),
        faults=[f"{person.name} {fault}" for person in people for fault in person.faults],
        examples=[words[0] for words in found.values() if words],
    )


def _answers(person: Person, logs: Mapping[str, Log]) -> Iterator[tuple[str, str]]:
    """Count what is wrong in the answers to a client."""
    for operation in person.sent:
        log = logs[operation.room]
        places = operation.stored(person.user, log)
        acked, refused = person.acked.get(operation.id), person.given_up.get(operation.id)
        if len(places) > 1:
            yield "twice", f"{operation} is at {places}"
        if acked is not None and places and acked != {places[0]}:
            yield "moved", f"{operation} was acked at {sorted(acked)}, and is at {places}"
        if acked is not None and not places:
            yield "lost", f"{operation} was acked, and there is no trace of it"
        if refused is not None and places:
            yield "lied", f"{operation} was refused with {refused}, and is there"
        if refused is not None and not operation.refusable(refused, log):
            yield "refused for nothing", f"{operation} was refused with {refused}"


def _differences(copy: Mapping[int, Frame], log: Mapping[int, Frame]) -> Iterator[tuple[str, str]]:
    """Count what is wrong in a copy of a room; in a message that both have, only a surplus or missing reaction."""
    for seq in copy.keys() - log.keys():
        yield "phantom", f"message {seq} is {copy[seq]}, and is not in /history"
    for seq in log.keys() - copy.keys():
        yield "missed", f"message {seq} was never shown: {log[seq]}"
    for seq in copy.keys() & log.keys():
        if copy[seq] == log[seq]:
            continue
        ours, theirs = Counter(reactions(copy[seq])), Counter(reactions(log[seq]))
        for what, these in (("phantom", ours - theirs), ("missed", theirs - ours)):
            for emoji, user in these:
                yield what, f"{emoji} of {user} to {seq}; held is {copy[seq]}, in /history {log[seq]}"
        if ours == theirs:
            yield "moved", f"message {seq} is {copy[seq]}, and in /history {log[seq]}"
