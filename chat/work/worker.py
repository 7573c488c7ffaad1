"""Work in the rooms for accounts, in the background: a guest is moved to one, one is erased, or gets another name.

The work is stored in the transaction that decides it (`model.account.RoomWork`), whichever server does that, with a
notice for all of them. The server that has the rooms reads it then and carries it out, a bounded step at a time
(`chat.work.pieces`). Pieces take turns, so none waits for another one that has much to do, that waits, or that fails.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from chat.chat import Chat
from chat.rooms.storing import TENURE, ask, require_tenure
from chat.work.pieces import Piece
from model.account import Notice
from model.errors import ParleyError, unavailable
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.storage import READER, Writer
from utils.fairness import Party

log = logging.getLogger(__name__)

# After a failure of storage; and how often a server looks whether it has the rooms, while there may be work for it.
RETRY_SECONDS = 5.0
WAIT_SECONDS = 0.5
# A piece that fails is tried again after `RETRY_SECONDS`, then after twice as long, up to this.
LONGEST_RETRY_SECONDS = 600.0


class RoomWorker:
    """Carries out the work of this server's tenures.

    Storage is asked for work at the start, after each notice of some, and again after a failure. A server that does not
    have the rooms keeps in mind that it has heard of work: it may have to finish what another server has begun.

    Args:
        writer: for the logs of deleted rooms, which are not loaded.
        catch_up: reads all notices: the old ids of work that was stored before can then do nothing more here.
    """

    def __init__(self, chat: Chat, writer: Writer, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._chat = chat
        self._parts = chat.parts
        self._writer = writer
        self._catch_up = catch_up
        self._pieces: dict[int, Piece] = {}
        self._steps = 0
        self._wanted = asyncio.Event()
        self._wanted.set()

    async def hear(self, notices: Sequence[Notice]) -> None:
        """Learn from new notices whether there is work; with none, some may have been missed."""
        if not notices or any(notice.kind == "work" for notice in notices):
            self._wanted.set()

    async def run(self) -> None:
        """Do all work, forever."""
        READER.set(Party("room work"))
        while True:
            await self._wanted.wait()
            if not self.has_rooms():
                await asyncio.sleep(WAIT_SECONDS)
                continue
            try:
                await self.run_once()
                continue
            except (ParleyError, StorageUnavailable) as error:
                log.warning("work for accounts in the rooms is interrupted, and will be continued: %s", error)
            except Exception:
                # An unforeseen error must not end it: what is stored would wait until a restart.
                log.exception("work for accounts in the rooms failed, and will be tried again")
            self._wanted.set()
            await asyncio.sleep(RETRY_SECONDS)

    def has_rooms(self) -> bool:
        """Whether this server has the rooms and can store what it changes in them."""
        away = self._parts.storage.problem() is not None or self._parts.storage.another_writes()
        return self._chat.elsewhere is None and not self._parts.draining and not away

    async def run_once(self) -> None:
        """Carry out all work that is stored, also what is added in the meantime, until none is left.

        Raises:
            ParleyError: ``unavailable``: this server cannot store what it changes, or no longer has the rooms.
            StorageUnavailable: as before.
        """
        tenure = self._parts.hub.tenure
        TENURE.set(tenure)
        self._wanted.set()
        try:
            while True:
                if self._wanted.is_set():
                    self._wanted.clear()
                    await self._look()
                    if not self._pieces:
                        return
                turn = self._turn()
                for piece in turn:
                    await self._step(piece, tenure)
                    await asyncio.sleep(0)  # memory storage answers at once
                if not turn:
                    await self._rest()
                    require_tenure(self._parts, tenure)
        finally:
            for piece in self._pieces.values():
                await piece.close()
            self._pieces.clear()

    async def _look(self) -> None:
        """Read the stored work. An erasure has removed the moves to its account."""
        stored = {work.number: work for work in await ask(self._parts, self._parts.storage.accounts.room_work())}
        for number in self._pieces.keys() - stored.keys():
            await self._pieces.pop(number).close()
        new = stored.keys() - self._pieces.keys()
        if new:
            await ask(self._parts, self._catch_up())
        for number in new:
            self._pieces[number] = Piece(self._chat, self._writer, stored[number])

    def _turn(self) -> list[Piece]:
        """Return the pieces of which a step is next: one of each account for whose rows its user waits; one of the
        others that are no erasures; and one erasure. Of several it is the one that has waited longest.
        """
        now = asyncio.get_running_loop().time()
        due = sorted((piece for piece in self._pieces.values() if piece.due <= now), key=lambda piece: piece.stepped)
        urgent = _first_of_each_account(piece for piece in due if piece.urgent)
        others = [piece for piece in due if not piece.urgent]
        erasures = [piece for piece in others if piece.work.kind == "erase"]
        return [*urgent, *[piece for piece in others if piece not in erasures][:1], *erasures[:1]]

    async def _step(self, piece: Piece, tenure: int) -> None:
        self._steps += 1
        piece.stepped = self._steps
        loop = asyncio.get_running_loop()
        try:
            seconds = await piece.step()
        except Exception as error:
            require_tenure(self._parts, tenure)
            if not self.has_rooms():
                raise unavailable() from error
            seconds = min(RETRY_SECONDS * 2 ** min(piece.failures, 20), LONGEST_RETRY_SECONDS)
            piece.failures += 1
            expected = isinstance(error, ParleyError | StorageUnavailable | BatchRefused)
            log.warning(
                "%s is interrupted, and will be continued in %.0f s: %s",
                *(piece.name, seconds, error),
                exc_info=None if expected else error,
            )
        if seconds is None:
            del self._pieces[piece.work.number]
            log.info("%s: all rooms are done", piece.name)
            self._wanted.set()  # what was added in the meantime
        else:
            piece.due = loop.time() + seconds

    async def _rest(self) -> None:
        """Wait until a piece is due, or there may be more; at most `RETRY_SECONDS`, as the rooms may move."""
        until = min(piece.due for piece in self._pieces.values()) - asyncio.get_running_loop().time()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(until, 0.0), RETRY_SECONDS)):
                await self._wanted.wait()


def _first_of_each_account(pieces: Iterable[Piece]) -> list[Piece]:
    found: dict[str, Piece] = {}
    for piece in pieces:
        found.setdefault(piece.work.account_id, piece)
    return list(found.values())
