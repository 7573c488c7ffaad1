"""A room: the sessions in it, the head of its log, and its newest messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias
from weakref import ref

from msgspec.structs import replace

from chat.delivery.audience import Audience
from chat.delivery.counters import Counters
from chat.delivery.session import Session as AnySession
from chat.rooms.presence import Presence
from chat.rooms.tail import Tail, TailBudget
from chat.writes.jobs import Backlog, Job
from chat.writes.workers import Worker
from model.events import AnyEvent, RoomInfo
from model.events import Presence as PresenceEvent
from model.room import FOREVER, Member, NetworkSanction, RoomRecord, User
from storage.ports.rooms import InsertRoom, SetMember, SetSanction
from storage.ports.storage import Write

# Users that a room remembers as removed, about 100 bytes each.
REMOVED = 1000


def info_of(record: RoomRecord) -> RoomInfo:
    """Return what all users who may see a room may know about it."""
    return RoomInfo(
        kind=record.kind,
        title=record.title,
        topic=record.topic,
        password=record.password is not None,
        slow_mode=record.slow_mode,
        retention_days=record.retention_days,
        guests=None if record.guests == "talk" else record.guests,
    )


def is_default(member: Member) -> bool:
    """Whether the row records no more than a plain membership: it is then needed only while the user is in the room."""
    return (
        member.role in ("member", None)
        and not member.banned_until
        and not member.muted_until
        and member.invitation is None
    )


class Room:
    """One loaded room: its head has come from storage.

    Attributes:
        record: the room itself, as storage has it or will have it.
        name: the name in the record, which never changes.
        members: the rows of members that are cached: of all users who are more or less than plain members; of plain
            members while they are in the room; of the two users of a direct room; and of users who no longer belong to
            the room, until storage has removed their rows. Other rows may be in storage.
        blocked: of the two users of a direct room, those who are blocked by the other one.
        sanctions: those of the guests of a network, by network and by the guest whose ban or mute they follow.
        unrestricted: everyone in the room may post; a cheap check for the hot path.
        looks: what the names of its owners and moderators look like (`model.lookalikes.skeleton`); None until needed.
        muted_until: when the first mute here ends, in Unix microseconds; then the room may be unrestricted again.
        last_spoke: when each user last posted, by a monotonic clock, the latest last; in slow mode only.
        pins: how often each row is pinned, "" for the room alone. A pinned row stays loaded, and so does its room.
        epoch: the server's epoch when the room was loaded; "" when storage may differ from what was broadcast.
        opener: the account, or the address of a guest, for which it was loaded; "" for none.
        maker: the address of the guest who created it; "" for an account, or if it is no longer known.
        worker: the worker that stores its writes.
        stored: storage has, or will have, the room itself, which is written before its first message.
        head: the largest seq or version so far, 0 when there is none.
        backlog: its writes that storage has not confirmed.
        has_news: it has broadcast something other than messages and presence since it was loaded: a client that missed
            it needs a snapshot, not just the messages.
        pending_posts: the unconfirmed messages with an id, by seq: a resend waits for the same outcome.
    """

    __slots__ = (
        "__weakref__",
        "_removed",
        "audience",
        "backlog",
        "blocked",
        "epoch",
        "has_news",
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
        "sanctions",
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
        self.audience = Audience(counters, flush_soon, ref(self))
        self.presence: Presence[Session] = Presence(record.name, self._publish_presence, self.forget)
        self.members: dict[str, Member] = {}
        self.blocked: frozenset[str] = frozenset()
        self.sanctions: dict[str, dict[str, NetworkSanction]] = {}
        self.unrestricted = True
        self.muted_until = FOREVER
        self.looks: set[str] | None = None
        self.last_spoke: OrderedDict[str, float] = OrderedDict()
        self.pins: dict[str, int] = {}
        self.opener = opener
        self.epoch = epoch
        self.maker = ""
        self.has_news = False
        self._removed: dict[str, None] | None = None
        self.tail = Tail(tail_limit, head, tails)
        self.backlog = Backlog()
        self.pending_posts: dict[int, Job] = {}

    @property
    def idle(self) -> bool:
        """Whether it may be unloaded: it has no sessions and no pins, and everything in it is stored."""
        return not self.presence.sessions and not self.backlog.unconfirmed and not self.pins

    @property
    def info(self) -> RoomInfo:
        """The description of the room that all of its members may read."""
        return info_of(self.record)

    def next_seq(self, now_us: int) -> int:
        """Return the next seq: the clock, raised where it stands still or goes back."""
        self.head = seq = now_us if now_us > self.head else self.head + 1
        return seq

    def publish(self, event: AnyEvent, *, ephemeral: bool = False) -> None:
        """Send everyone in the room an event that has been decided and numbered; call it in the order of the numbers.

        The audience delivers to the members on all servers.
        """
        self.audience.deliver(event, ephemeral)

    def publish_news(self, event: AnyEvent, *, ephemeral: bool = False) -> None:
        """As :meth:`publish`, for an event that has no number and changes what a snapshot of the room says."""
        self.has_news = True
        self.publish(event, ephemeral=ephemeral)

    def _publish_presence(self, event: AnyEvent, *, ephemeral: bool = False) -> None:
        self.publish(event, ephemeral=ephemeral)
        if isinstance(event, PresenceEvent):
            self.audience.present(event)

    # Membership. The room is flushed first, so that a new session receives no earlier events. A silent session is in
    # the room only for the handlers: it receives nothing, and presence does not show it.

    def enter(self, session: Session, *, syncing: bool = False) -> None:
        """Add a session; presence shows its user if it is their first one here."""
        session.rooms[self.name] = self
        if not session.silent:
            self.audience.flush()
            self.audience.add(session, syncing=syncing)
            self.presence.enter(session, session.user)
            if session.remote is not None and not session.dialect.welcomes and not self.presence.crowded:
                session.remote.present(self, self.presence.everyone())

    def exit(self, session: Session, *, grace: float = 0.0) -> None:
        """Remove a session; if it was its user's last one here, presence shows that after ``grace`` seconds."""
        if not session.silent:
            self.audience.flush()
            self.audience.discard(session)
            self.presence.exit(session, grace)
        del session.rooms[self.name]

    def rebind(self, session: Session, user: User) -> None:
        """Give the session another principal, or the same one with another name."""
        if self.presence.sessions[session].id != user.id:
            self.presence.exit(session)
        self.presence.enter(session, user)

    def note_removed(self, user_id: str) -> None:
        """Note that a user was removed, or quit: clients of theirs that return from a previous owner (see
        `chat.cluster.rejoining`) must not enter again.

        Only the last `REMOVED` are known. Without this note, a client enters only what its user may join anyway.
        """
        if self._removed is None:
            self._removed = {}
        self._removed.pop(user_id, None)
        self._removed[user_id] = None
        if len(self._removed) > REMOVED:
            del self._removed[next(iter(self._removed))]

    def note_joined(self, user_id: str) -> None:
        """Note that a user has become a member, perhaps again."""
        if self._removed is not None:
            self._removed.pop(user_id, None)

    def was_removed(self, user_id: str) -> bool:
        """Whether a user was removed, or quit, since the room was loaded; see :meth:`note_removed`."""
        return self._removed is not None and user_id in self._removed

    def sanction(self, sanction: NetworkSanction) -> None:
        """Keep a sanction in place of the earlier one, or forget a lifted one."""
        of = self.sanctions.setdefault(sanction.network, {})
        if sanction.until:
            of[sanction.guest_id] = sanction
        else:
            of.pop(sanction.guest_id, None)
        if not of:
            del self.sanctions[sanction.network]

    def forget_sanctions(self, until: int) -> None:
        """Forget the sanctions that have ended."""
        for one in [one for of in self.sanctions.values() for one in of.values() if one.until <= until]:
            self.sanction(NetworkSanction(one.network, one.guest_id))

    def forget(self, user_id: str, *, removed: bool = False) -> None:
        """Drop a row that is not needed: not pinned, and its user is not in the room or storage has ``removed`` it."""
        member = self.members.get(user_id)
        if member is None or not is_default(member) or self.record.kind == "direct":
            return
        unconfirmed = self.backlog.unconfirmed > 0 and not removed
        needed = user_id in self.presence.people if member.belongs else unconfirmed
        if not needed and user_id not in self.pins:
            del self.members[user_id]

    def as_writes(self) -> list[Write]:
        """Return the room, the cached rows of its members and its sanctions, as writes."""
        room_id = self.record.room_id
        record = replace(self.record, deleted_at=None)  # a deletion is a write of its own
        rows = [row for row in self.members.values() if row.belongs or not is_default(row)]
        sanctions = [SetSanction(room_id, one) for of in self.sanctions.values() for one in of.values()]
        return [InsertRoom(record), *(SetMember(room_id, row) for row in rows), *sanctions]


# A session, for everything that knows rooms.
Session: TypeAlias = AnySession[Room]
