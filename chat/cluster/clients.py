"""The clients of an edge and the rooms in which they are: what the owner sends reaches them here."""

import math
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from chat.cluster import operations as op
from chat.cluster.mirrors import Mirror
from chat.cluster.unanswered import UnansweredCommands
from chat.delivery.session import PAUSED_BY_OWNER
from chat.handlers.sessions import welcome, write_to_all
from chat.ports import Dialect, Identity
from chat.rooms.pacing import give_guest_back, release_buckets
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model.errors import CloseCode
from model.events import Ack, AckItem
from model.principals import CLAIMED_ROLE

# How long after a change of owner a client may be paused because it still returns to its rooms.
RETURN_SECONDS = 5.0


class EdgeClients:
    """See the top of this file.

    Args:
        parts: those of the chat of this node.
        dialects: by name.
        unanswered: the commands that the owner has not answered.
        drained: called when a client has read a page.

    Attributes:
        sessions: of the clients, by id.
        mirrors: of the rooms in which they are, by name.
        adopted_at: when the last owner was accepted.
    """

    def __init__(
        self,
        parts: Parts,
        dialects: Mapping[str, Dialect],
        unanswered: UnansweredCommands,
        drained: Callable[[Session, int], object],
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.mirrors: dict[str, Mirror] = {}
        self.adopted_at = -math.inf
        self._parts = parts
        self._dialects = dialects
        self._unanswered = unanswered
        self._drained = drained

    def mirror(self, room: str, head: int) -> Mirror:
        """Return the mirror of a room; ``head`` is for a new one."""
        mirror = self.mirrors.get(room)
        if mirror is None:
            mirror = self.mirrors[room] = Mirror(self._parts.hub, room, head)
        return mirror

    def leave(self, room: str, session: Session) -> None:
        """Take a session out of a room. An unknown one is ignored."""
        if (mirror := self.mirrors.get(room)) is not None:
            mirror.discard(session)
            if not mirror.sessions:
                del self.mirrors[room]

    def take(self, operation: op.FromOwner, token: int) -> None:
        """Deliver what the owner sends; ``token`` is that of its tenure."""
        match operation:
            case op.Frames(room, dialect, frames, lasting, head):
                if (mirror := self.mirrors.get(room)) is not None:
                    mirror.head = head
                    mirror.audience.relay(self._dialects[dialect], frames, lasting)
            case op.Present(room, joined, left, everyone):
                if (mirror := self.mirrors.get(room)) is not None:
                    mirror.note_present(joined, left, everyone=everyone)
            case op.TellMany(common, parts):
                for before, after, ids in parts:
                    frames = b"".join((before, common, after))
                    for session_id in ids:
                        if (session := self.sessions.get(session_id)) is not None and not session.ended:
                            self._tell(session, None, partial(session.write, frames))
            case op.Acks(items):
                for session_id, room, command, seq in items:
                    self._ack(session_id, AckItem(command, room, seq))
            case op.Broadcast(frames=by_dialect, but=but):
                sending = write_to_all(self._parts, lambda dialect: by_dialect.get(dialect.name), but)
                self._parts.tasks.spawn(sending, name="announcement")
            case op.Begun() | op.Moved() | op.Answer():
                pass  # `chat.cluster.edge.Edge.take` has taken these
            case _:
                session = self.sessions.get(operation.session)
                if session is not None and not session.ended:
                    self._take_for(session, operation, token)

    def _take_for(
        self,
        session: Session,
        operation: op.Attach
        | op.Detach
        | op.Release
        | op.Tell
        | op.Page
        | op.Done
        | op.Pause
        | op.Close
        | op.Identified
        | op.Welcomed,
        token: int,
    ) -> None:
        match operation:
            case op.Tell(frames=frames, answers=answers, room=room, about=about):
                if operation.refused and answers is not None and self._unanswered.is_late(session, answers, about):
                    return
                self._tell(session, answers, lambda: self._write(session, frames, room), about)
            case op.Page(frames=frames, answers=answers):
                self._tell(session, answers, lambda: self._page(session, frames, token))
            case op.Done(number=number):
                self._unanswered.done(session, number)
            case op.Attach(room=room, syncing=syncing, head=head):
                entered = self.mirror(room, head)
                entered.add(session, syncing=syncing)
                entered.head = head
            case op.Detach(room=room):
                self.leave(room, session)
            case op.Release(room=room):
                if (mirror := self.mirrors.get(room)) is not None:
                    session.released()
                    for data in mirror.audience.release(session):
                        session.write(data)
            case op.Pause(paused=True):
                session.pause_reading(PAUSED_BY_OWNER)
            case op.Pause():
                since = session.resume_reading(PAUSED_BY_OWNER)
                # Later, it has paused because of what the client itself has sent.
                if since is not None and since - self.adopted_at < RETURN_SECONDS and session.held_since is None:
                    session.held_since = since
            case op.Close(code=code, reason=reason):
                session.close(CloseCode(code, reason, "the server that has the rooms closes it"))
            case op.Identified(identity=identity, provisional=provisional):
                self._identify(session, identity, provisional=provisional)
            case op.Welcomed(answers=answers, epoch=epoch):
                self._tell(session, answers, lambda: self._welcome(session, answers, epoch))

    def _welcome(self, session: Session, answers: str | None, epoch: str) -> None:
        if session.identity is not None:
            session.send(replace(welcome(self._parts, session, answers), epoch=epoch))

    def _tell(
        self, session: Session, answers: str | None, write: Callable[[], object], about: str | None = None
    ) -> None:
        if answers is not None:
            self._unanswered.answered(session, answers, about)
        for room in session.rooms.values():
            if room.audience.dirty:
                room.audience.flush()
        write()

    def _write(self, session: Session, frames: bytes, room: str | None) -> None:
        mirror = self.mirrors.get(room) if room is not None else None
        if mirror is not None:
            mirror.audience.write(session, frames)
        elif frames:
            session.write(frames)

    def _page(self, session: Session, frames: bytes, token: int) -> None:
        # Without frames, the owner only waits until the client has read the earlier ones.
        read = session.write_page(frames) if frames else session.drained()
        self._parts.tasks.spawn(self._drain(session, read, token), name=f"page {session.id}")

    async def _drain(self, session: Session, read: Coroutine[Any, Any, None], token: int) -> None:
        await read
        self._drained(session, token)

    def _ack(self, session_id: str, item: AckItem) -> None:
        session = self.sessions.get(session_id)
        if session is None or session.ended:
            return
        self._unanswered.answered(session, item.id, item.room)
        if (mirror := self.mirrors.get(item.room)) is not None:
            session.ack(item, mirror.audience)
        else:
            session.reply(Ack(ids=[item]))

    def _identify(self, session: Session, identity: Identity, *, provisional: bool) -> None:
        parts = self._parts
        if session.identity is not None:
            parts.directory.departed(session)
            release_buckets(parts, session)
            if session.provisional and session.user.id != identity.user.id and identity.role != CLAIMED_ROLE:
                give_guest_back(parts, session)
        session.identity, session.user, session.provisional = identity, identity.user, provisional
        session.connection.end_at(identity.expires)
        parts.directory.arrived(session)
        # The account may have been suspended or signed out while the owner was being asked.
        if (denial := parts.tokens.denial(identity)) is not None:
            session.refuse(denial.error)
            session.close(denial.close)
