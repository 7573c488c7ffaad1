"""A room: who is in it, the head of its log, and its last messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from msgspec.structs import replace

from chat.delivery.audience import Audience
from chat.delivery.counters import Counters
from chat.delivery.session import Session as AnySession
from chat.rooms.presence import Presence
from chat.rooms.tail import Tail, TailBudget
from chat.writes.jobs import Backlog, Job
from chat.writes.workers import Worker
from model.events import AnyEvent, RoomInfo
from model.room import FOREVER, Member, RoomRecord, User
from storage.ports.rooms import InsertRoom, SetMember
from storage.ports.storage import Write


def info_of(record: RoomRecord) -> RoomInfo:
    """Make what everybody who may see a room may know about it."""
    return RoomInfo(
        kind=record.kind,
        title=record.title,
        topic=record.topic,
        password=record.password is not None,
        slow_mode=record.slow_mode,
        retention_days=record.retention_days,
    )


def is_default(member: Member) -> bool:
    """Whether the row says no more than that its user is a member: then it is needed only while they are here."""
    return (
        member.role in ("member", None)
        and not member.banned_until
        and not member.muted_until
        and member.invitation is None
    )


class Room:
    """One room of this server, ready for talk: its head has come from storage.

    Attributes:
        record: what storage knows, or is about to know, of the room itself.
        name: the record's, which never changes.
        members: rows of members that are known here: of all who are more or less than plain members, of the others
            while they are in the room, of the two people of a direct room, and, until storage has removed them, of
            those who no longer belong to it. Others may be in storage.
        unrestricted: everybody in the room may talk; the cheap answer for the hot path.
        looks: how the names of its owners and moderators look (`model.text.skeleton`); None until they are needed.
        muted_until: when the first mute here ends, in Unix microseconds; the room may be unrestricted again then.
        last_spoke: when each user last posted, by a monotonic clock, the latest last; in slow mode only.
        pins: how often each row is pinned, "" for the room alone; while they are, neither is forgotten.
        epoch: that of the server when the room was loaded; "" when storage may have something else.
        opener: the account, or address of a guest, for which it was loaded; "" for none.
        maker: the address of the guest who made it; "" for an account, and when that is no longer known.
        worker: the worker that stores its writes.
        stored: storage has, or will have, the room itself; that is written with the first message.
        head: the largest seq or version so far, 0 when nothing was ever said.
        backlog: its writes that storage has not answered for.
        pending_posts: those of them that are messages with an id, by seq: a resend waits for the same answer.
    """

    __slots__ = (
        "__weakref__",
        "audience",
        "backlog",
        "epoch",
        "head",
        "last_spoke",
        "looks",
        "maker",
        "members",
        "muted_until",
        "name",
        "opener",
        "pending_posts",
        "pins",
        "presence",
        "record",
        "stored",
        "tail",
        "unrestricted",
        "worker",
    )

    def __init__(
        self,
        record: RoomRecord,
        worker: Worker,
        *,
        stored: bool,
        head: int,
        tail_limit: int,
        tails: TailBudget,
        counters: Counters,
        flush_soon: Callable[[Audience], None],
        opener: str,
        epoch: str,
    ) -> None:
        self.record = record
        self.name = record.name
        self.worker = worker
        self.stored = stored
        self.head = head
        self.audience = Audience(counters, flush_soon)
        self.presence: Presence[Session] = Presence(record.name, self.publish, self.forget)
        self.members: dict[str, Member] = {}
        self.unrestricted = True
        self.muted_until = FOREVER
        self.looks: set[str] | None = None
        self.last_spoke: OrderedDict[str, float] = OrderedDict()
        self.pins: dict[str, int] = {}
        self.opener = opener
        self.epoch = epoch
        self.maker = ""
        self.tail = Tail(tail_limit, head, tails)
        self.backlog = Backlog()
        self.pending_posts: dict[int, Job] = {}

    @property
    def idle(self) -> bool:
        """Whether it may be unloaded: nobody is in it, nothing pins it, and all of it is stored."""
        return not self.presence.sessions and not self.backlog.unconfirmed and not self.pins

    @property
    def info(self) -> RoomInfo:
        """What everybody in it may know about it."""
        return info_of(self.record)

    def next_seq(self, now_us: int) -> int:
        """Return the next place in the log: the clock, raised where it stands still or steps back."""
        self.head = seq = now_us if now_us > self.head else self.head + 1
        return seq

    def publish(self, event: AnyEvent, *, ephemeral: bool = False) -> None:
        """Send everyone in the room an event that is decided and numbered; call it in the order of the numbers.

        This is the one place that knows who has the room's audiences: today this server, which has the only one.
        """
        self.audience.deliver(event, ephemeral)

    # Membership. The room is flushed first, so that nobody gets what was said before they came. A silent session is in
    # the room for the handlers alone: it receives nothing, and presence does not show it.

    def enter(self, session: Session, *, syncing: bool = False) -> None:
        """Add a session; presence shows its user if it is their first one here."""
        session.rooms[self.name] = self
        if session.silent:
            return
        self.audience.flush()
        self.audience.add(session, syncing=syncing)
        self.presence.enter(session, session.user)

    def exit(self, session: Session, *, grace: float = 0.0) -> None:
        """Remove a session; if it was its user's last one here, presence shows that after ``grace`` seconds."""
        if session.silent:
            del session.rooms[self.name]
            return
        self.audience.flush()
        self.audience.discard(session)
        del session.rooms[self.name]
        self.presence.exit(session, grace)

    def rebind(self, session: Session, user: User) -> None:
        """Have the session speak for another principal from now on, or for the same one under another name."""
        if self.presence.sessions[session].id == user.id:
            self.presence.rename(session, user)
            return
        self.presence.exit(session)
        self.presence.enter(session, user)

    def forget(self, user_id: str, *, removed: bool = False) -> None:
        """Drop a row that is needed only while its user is in the room or it is pinned, or until it is ``removed``."""
        member = self.members.get(user_id)
        if member is None or not is_default(member) or self.record.kind == "direct":
            return
        if member.belongs:
            needed = user_id in self.presence.people
        else:
            needed = self.backlog.unconfirmed > 0 and not removed
        if not needed and user_id not in self.pins:
            del self.members[user_id]

    def as_writes(self) -> list[Write]:
        """The room and the rows of its members as they are known here."""
        room_id = self.record.room_id
        record = replace(self.record, deleted_at=None)  # if it was deleted, another write says so
        rows = [row for row in self.members.values() if row.belongs or not is_default(row)]
        return [InsertRoom(record), *(SetMember(room_id, row) for row in rows)]


Session: TypeAlias = AnySession[Room]
"""A session, as everything that knows rooms sees it."""
