"""The messages port in memory."""

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice

from model.message import Message
from model.room import RoomRecord, User
from storage.memory.contents import Contents
from storage.ports.messages import ENDLESS, Posted, Unread, bounds
from utils.words import holds_words

# An ordinary page examines up to this many messages, including deleted ones, without waiting for a turn.
_GLANCE = 1000


class MemoryMessageRepository:
    """Reads of messages in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def head(self, room_id: int) -> int:
        return self._contents.logs.read(room_id).head

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        log = self._contents.logs.read(room_id)
        seq = log.posted.get((sender_id, id))
        return None if seq is None else Posted(seq, log.first_body(seq))

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        log = self._contents.logs.read(room.room_id)
        state = log.states.get(seq)
        return None if state is None else log.shown(state, room.name)

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        since: int | None = None,
        until: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
        pinned: bool = False,
        include_deleted: bool = False,
        old_words: Sequence[str] = (),
    ) -> list[Message]:
        log = self._contents.logs.read(room.room_id)
        above, below = bounds(before, after, since, until)
        oldest_first = after is not None
        wanted = frozenset(words)
        if limit < 1:
            return []

        def is_hit(state: Message) -> bool:
            return (
                (include_deleted or state.deleted_at is None)
                and (sender is None or state.sender == sender)
                and (state.pinned_at is not None or not pinned)
                and (not wanted or holds_words(state.content, wanted))
            )

        def candidates(most: int | None = None) -> Iterable[Message]:
            places = log.between(above, below)
            near = places if most is None else places[:most] if oldest_first else places[-most:]
            states = [log.states[seq] for seq in log.seqs[near.start : near.stop]]
            return states if oldest_first else reversed(states)

        def page_of(hits: list[Message]) -> list[Message]:
            return [log.shown(state, room.name, whole=include_deleted) for state in hits[:: 1 if oldest_first else -1]]

        if sender is None and not wanted and not pinned:
            glance = limit if include_deleted or not log.changed_seqs else max(limit, _GLANCE)
            hits = list(islice(filter(is_hit, candidates(glance)), limit))
            if len(hits) == limit or len(log.between(above, below)) <= glance:
                return page_of(hits)
        hits = []
        async with self._contents.turn(self._contents.searches) as slices:
            for state in candidates():  # all at once, so that the page is consistent
                if is_hit(state):
                    hits.append(state)
                    if len(hits) == limit:
                        break
                if slices.over():
                    await slices.pause()
            return page_of(hits)

    async def find_sender(self, room: RoomRecord, sender_id: str, *, limit: int) -> User | None:
        log = self._contents.logs.peek(room.room_id)
        newest = map(log.states.__getitem__, islice(reversed(log.seqs), limit))
        return next((User(sender_id, state.sender) for state in newest if state.sender_id == sender_id), None)

    async def by_senders(
        self, room: RoomRecord, sender_ids: Sequence[str], *, after: int, limit: int
    ) -> tuple[list[Message], int | None]:
        log = self._contents.logs.peek(room.room_id)
        window = [log.states[log.seqs[place]] for place in log.between(after, ENDLESS)[: max(limit, 0)]]
        found = [log.shown(state, room.name, whole=True) for state in window if state.sender_id in sender_ids]
        return found, window[-1].seq if window and len(window) == limit else None

    async def rooms_of_senders(
        self, sender_ids: Sequence[str], *, after: tuple[int, int], limit: int
    ) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
        found: dict[int, int] = {}
        room_id, above, left = *after, limit
        for log in sorted(self._contents.logs, key=lambda log: log.record.room_id):
            of = log.record.room_id
            if of < room_id:
                continue
            window = log.between(above if of == room_id else -1, ENDLESS)[:left]
            for seq in log.seqs[window.start : window.stop]:
                if log.states[seq].sender_id in sender_ids:
                    found.setdefault(of, seq)
            left -= len(window)
            if not left:
                return list(found.items()), (of, log.seqs[window.stop - 1])
        return list(found.items()), None

    async def search(
        self,
        rooms: Sequence[RoomRecord],
        *,
        words: Sequence[str],
        before: tuple[int, int] | None,
        limit: int,
        old_words: Sequence[str] = (),
    ) -> list[tuple[int, Message]]:
        names = {room.room_id: room.name for room in rooms}
        wanted = frozenset(words)
        page: list[tuple[int, Message]] = []
        async with self._contents.turn(self._contents.searches) as slices:
            logs = {room_id: log for room_id in names if (log := self._contents.logs.get(room_id)) is not None}
            candidates = merge(*[log.newest_first(before) for log in logs.values()], reverse=True)
            # The words are cut again here: keeping them would take more memory than the messages.
            for seq, room_id in candidates if limit > 0 else ():
                log = logs[room_id]
                state = log.states.get(seq)  # it may have been removed since its position was looked up
                if state is not None and state.deleted_at is None and holds_words(state.content, wanted):
                    page.append((room_id, log.shown(state, names[room_id])))
                    if len(page) == limit:
                        break
                if slices.over():
                    await slices.pause()
        return page

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        log = self._contents.logs.read(room.room_id)
        return [log.shown(state, room.name) for state in log.changed(after, until)[: max(limit, 0)]]

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        found = self._contents.logs.read(room_id).changed(after, until)
        return min(sum(state.version <= until for state in found), max(limit, 0))

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        peek, limit = self._contents.logs.peek, max(limit, 0)
        blocked = self._contents.accounts.user_blocks.get(user.id, {})
        if len(cursors) == 1:  # called for each `read`, so without a turn
            ((room_id, seq),) = cursors
            return {room_id: peek(room_id).unread(user, seq, limit, blocked)}
        found: dict[int, Unread] = {}
        async with self._contents.turn(self._contents.lists) as slices:
            for room_id, seq in cursors:
                found[room_id] = peek(room_id).unread(user, seq, limit, blocked)
                if slices.over():
                    await slices.pause()
        return found
