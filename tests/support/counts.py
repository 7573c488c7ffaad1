"""The count of what the promises were worth: what everybody sent, was told and saw, held against the logs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.support.operations import Delete, Edit, Log
from tests.support.person import Person

COUNTED = "counts"  # the property of a test's report under which its counts travel to the summary of the run


class Counts(NamedTuple):
    """What came of it all. The first four are what is promised to be 0; the last three are, too."""

    operations: int
    acked: int
    acked_and_lost: int
    stored_twice: int
    out_of_place: int
    shown_but_not_in_history: int
    stored_but_not_shown: int
    refused_but_stored: int
    faults: list[str]

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
        }
        more = "".join(f", {what} {count}" for what, count in rest.items() if count)
        more += f", {self.faults}" if self.faults else ""
        return f"{four}{more} (of {self.operations} operations, {self.acked} acked)"


def count(people: Sequence[Person], logs: Mapping[str, Log]) -> Counts:
    """Hold what everybody sent, was told and saw against the logs."""
    lost = twice = moved = lied = 0
    for person in people:
        for operation in person.sent:
            if isinstance(operation, Edit):
                logs[operation.room].edits[person.user, operation.target].append(operation.content)
            elif isinstance(operation, Delete):
                logs[operation.room].deletions[person.user, operation.target] = operation.seq
        for operation in person.sent:
            places = operation.stored(person.user, logs[operation.room])
            acked = person.acked.get(operation.id)
            twice += len(places) > 1
            lost += acked is not None and not places
            moved += acked is not None and bool(places) and acked != {places[0]}
            lied += operation.id in person.given_up and bool(places)
    phantoms = missed = 0
    for person in people:
        for room, copy in person.copies.items():
            log = logs[room].states
            moved += copy.disorder
            phantoms += len(copy.states.keys() - log.keys())
            missed += len(log.keys() - copy.states.keys())
            moved += sum(copy.states[seq] != log[seq] for seq in copy.states.keys() & log.keys())
    return Counts(
        operations=sum(len(person.sent) for person in people),
        acked=sum(len(person.acked) for person in people),
        acked_and_lost=lost,
        stored_twice=twice,
        out_of_place=moved,
        shown_but_not_in_history=phantoms,
        stored_but_not_shown=missed,
        refused_but_stored=lied,
        faults=[f"{person.name} {fault}" for person in people for fault in person.faults],
    )
