"""Split a batch of writes into runs, one for each statement."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import InsertRoom, RemoveMember, SetMember, SetSanction, UpdateRoom
from storage.ports.storage import Write

# The key of the row that a write replaces, which may occur only once in a statement.
_TARGETS: dict[type, Callable[[Any], Hashable]] = {
    UpdateRoom: lambda write: write.room.room_id,
    SetMember: lambda write: (write.room_id, write.member.user.id),
    SetSanction: lambda write: (write.room_id, write.sanction.network, write.sanction.guest_id),
    ChangeMessage: lambda write: (write.room_id, write.seq),
}
# The rooms' own writes keep their order, because a deleted room frees its name for another one.
_NAMES = "names"


def split(batch: Sequence[Write]) -> list[list[int]]:
    """Split a batch into runs of one kind, one per statement, in which no row is replaced twice.

    Writes of different rooms are independent, so they may change places: a hundred new rooms with their first messages
    are two statements, not two hundred. Those of one room keep their order, and maintenance its place.

    Returns:
        the places of each run's writes in the batch.
    """
    if len(set(map(type, batch))) == 1 and type(batch[0]) not in _TARGETS:
        return [list(range(len(batch)))]
    runs: list[list[int]] = []
    targets: list[set[Hashable]] = []  # of each run
    newest: dict[type, int] = {}  # the last run of each kind
    least: dict[Hashable, int] = {}  # the last run with a write of a room, or of names: the first for another one
    barrier = 0  # the first run after maintenance
    for place, write in enumerate(batch):
        kind = type(write)
        if isinstance(write, InsertRoom | UpdateRoom):
            keys: tuple[Hashable, ...] = (write.room.room_id, _NAMES)
        elif isinstance(write, SetMember | RemoveMember | SetSanction | InsertMessage | ChangeMessage):
            keys = (write.room_id,)
        else:
            keys, barrier = (), max(0, len(runs) - 1)
        target = _TARGETS[kind](write) if kind in _TARGETS else None
        run = newest.get(kind, -1)
        if run < max([barrier, *(least.get(key, 0) for key in keys)]) or target in targets[run]:
            run = newest[kind] = len(runs)
            runs.append([])
            targets.append(set())
        runs[run].append(place)
        if target is not None:
            targets[run].add(target)
        if not keys:
            barrier = run
        for key in keys:
            least[key] = run
    return runs
