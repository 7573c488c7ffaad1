"""One piece of work in the rooms for an account: a guest is moved to it, it is erased, or gets another name.

Each step is bounded, and may be repeated. Storage records how far a piece has come: so another server continues after a
crash, and repeats at most the rows and one log.

A room in which there is something to do is loaded, and changed as by its users: decided without an await, numbered,
queued, and stored by its worker. Other rooms are not loaded.
"""

from collections.abc import AsyncGenerator

from chat.chat import Chat
from chat.rooms.storing import ask
from chat.work.logs import BETWEEN_BATCHES, LogChanges
from chat.work.reach import Reach
from chat.work.rows import RowChanges
from model.account import RoomWork, WorkKind
from model.errors import SIGNED_OUT
from storage.ports.messages import ENDLESS
from storage.ports.storage import Writer

# Before an account is erased: until then what its connections have sent is decided. And before what leads to it is
# removed for the last time: until then what others did with its messages is stored.
SETTLE_SECONDS = 5.0
# Messages that are examined in one read of all logs.
WINDOW = 5000

_NAMES: dict[WorkKind, str] = {
    "adopt": "the move of a guest",
    "erase": "the erasure of an account",
    "rename": "the new name of an account",
}


class Piece:
    """One piece of work, and when it goes on.

    Attributes:
        name: what it is, in lines of the log.
        due: when its next step may be done, by the clock of the event loop.
        stepped: the number of its last step among those of all pieces.
        failures: how often it has failed since it last got further.
        urgent: a user waits for its rows.
    """

    def __init__(self, chat: Chat, writer: Writer, work: RoomWork) -> None:
        self._parts = chat.parts
        self._reach = Reach(chat)
        self._rows = RowChanges(chat.parts, self._reach, work)
        self._logs = LogChanges(chat.parts, self._reach, writer, work)
        self.work = work
        self._erases = work.kind == "erase"
        self._done = work.room_id
        self._settled = False
        self._steps: AsyncGenerator[float] | None = None
        self.name = _NAMES[work.kind]
        self.due = 0.0
        self.stepped = self.failures = 0
        self.urgent = not self._erases

    async def step(self) -> float | None:
        """Do the next step, after a failure again from the rows on. Returns the seconds to wait for the one after it;
        None if all is done.

        Raises:
            ParleyError: ``unavailable``, ``overloaded``, ``too_many_rooms``, ``shutting_down``: try again later.
            StorageUnavailable, BatchRefused: as before.
        """
        if self._steps is None:
            self._steps = self._all_steps()
        try:
            return await anext(self._steps, None)
        except BaseException:
            self._steps = None
            raise

    async def close(self) -> None:
        """Do no more steps."""
        if self._steps is not None:
            await self._steps.aclose()

    async def _all_steps(self) -> AsyncGenerator[float]:
        """Do all of it. Yields after each step the seconds to wait."""
        parts, work = self._parts, self.work
        if work.kind != "rename":
            self._close_sessions()
        if self._erases:
            if not self._settled:
                yield SETTLE_SECONDS
                self._settled = True
            while await self._remove_traces(ends=False):
                yield BETWEEN_BATCHES
        for change in await self._rows.all():
            await change()
            yield 0.0
        self.urgent = False
        for room in self._reach.with_writes():  # messages of the old ids may be among them
            await self._reach.stored(room)
            yield 0.0
        place: tuple[int, int] | None = None if work.kind == "rename" else (self._done, ENDLESS)
        while place is not None:
            reads = parts.storage.messages.rooms_of_senders(work.ids, after=place, limit=WINDOW)
            found, place = await ask(parts, reads)
            for room_id, seq in found:
                after: int | None = seq - 1
                while after is not None:
                    after = await self._logs.change_some(room_id, after)
                    yield 0.0
            if place is not None:
                if found:
                    place = max(place, (found[-1][0], ENDLESS))
                await self._advance(place)
                yield 0.0
        if not self._erases:
            await ask(parts, parts.storage.accounts.advance(work.number, None))
            return
        yield SETTLE_SECONDS
        for change in await self._rows.all():  # a moderator may have made some
            await change()
            yield 0.0
        for room in self._reach.with_writes():
            await self._reach.stored(room)
            yield 0.0
        while await self._remove_traces(ends=True):
            yield BETWEEN_BATCHES

    def _close_sessions(self) -> None:
        """Close the sessions of the old ids, at whatever server: what they send from now on is not carried out."""
        for user_id in self.work.ids:
            for session in self._parts.directory.devices(user_id):
                session.close(SIGNED_OUT)

    async def _remove_traces(self, *, ends: bool) -> bool:
        accounts, now = self._parts.storage.accounts, self._parts.clock.now_us()
        return await ask(self._parts, accounts.remove_traces(self.work, now, ends=ends))

    async def _advance(self, place: tuple[int, int]) -> None:
        """Record that all messages up to a (room_id, seq) are done."""
        room_id = place[0] if place[1] == ENDLESS else place[0] - 1
        if room_id > self._done:
            await ask(self._parts, self._parts.storage.accounts.advance(self.work.number, room_id))
            self._done, self.failures = room_id, 0
