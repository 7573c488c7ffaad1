"""Rate limits of sessions, principals and addresses: commands, messages, guests, rooms, invitations and passwords."""

import logging

from chat.delivery.entries import ENTRY_BYTES
from chat.delivery.ratelimit import SAVED_SECONDS, Allowances, TokenBucket, rate_limited
from chat.ports import Actor
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.errors import FLOOD, ParleyError
from utils.fairness import Party

log = logging.getLogger(__name__)

# The rate of commands other than messages, and of control frames, per connection: more than any client needs (a resume
# of 100 rooms with history is 200 at once), and low enough that a flood hurts only its sender.
COMMANDS_PER_SECOND = 50.0
COMMANDS_BURST = 500
# Bytes of a snapshot that was not needed, that count as one more command: about ten answers to a `ping`.
COMMAND_BYTES = 1 << 10
# Refusals of commands above that rate, of one connection; a connection that causes more is closed.
REFUSALS_PER_SECOND = 50.0
REFUSALS_BURST = 1000


def take_message(parts: Parts, speakers: Allowances, session: Session) -> float:
    """Count a message for a principal in ``speakers``. Returns 0.0, or the seconds until it may be sent again.

    Messages of guests also count for their address, because a new guest costs nothing and a new address does. What was
    sent at the allowed rate while the server held the session's commands is allowed, although it arrives at once.
    """
    now = parts.clock.monotonic()
    if session.held_since is not None:
        save_held(parts, session)
    if session.bucket is None:
        _find_buckets(parts, speakers, session, now)
    assert session.bucket is not None
    wait = session.bucket.take(now)
    if not wait and session.address_bucket is not None:
        wait = session.address_bucket.take(now)
    return wait


def _find_buckets(parts: Parts, speakers: Allowances, session: Session, now: float) -> None:
    session.bucket = speakers.of(session.user.id, now)
    if parts.speaking_guests is not None and session.network and session.actor.identity.guest:
        session.address_bucket = parts.speaking_guests.of(session.network, now)


def save_held(parts: Parts, session: Session) -> None:
    """Allow what the client may have sent at the allowed rate since its commands were held."""
    since, session.held_since = session.held_since, None
    now = parts.clock.monotonic()
    if since is None or now - since > SAVED_SECONDS or parts.speakers is None or session.identity is None:
        return
    if session.bucket is None:
        _find_buckets(parts, parts.speakers, session, since)
    for bucket in (session.bucket, session.address_bucket):
        if bucket is not None:
            bucket.save(now, now - since)


def release_buckets(parts: Parts, session: Session) -> None:
    """Release the buckets of the principal and the address, which the session no longer uses."""
    if session.bucket is not None and parts.speakers is not None:
        parts.speakers.keep(session.user.id, session.bucket)
    if session.address_bucket is not None and parts.speaking_guests is not None:
        parts.speaking_guests.keep(session.network, session.address_bucket)
    session.bucket = session.address_bucket = None


def take_command(parts: Parts, session: Session, count: float = 1.0) -> float:
    """Count a command or control frame, or ``count`` of them. Returns 0.0, or the seconds until they are allowed."""
    now, bucket = parts.clock.monotonic(), session.commands
    if bucket is None and count == 1.0:
        session.commands = now  # most connections send only a join: a bucket would take 120 bytes more
        return 0.0
    if bucket is None or isinstance(bucket, float):
        first = bucket
        bucket = TokenBucket(COMMANDS_PER_SECOND, COMMANDS_BURST, now if first is None else first)
        session.commands = bucket
        if first is not None:
            bucket.take(first)
    return bucket.take(now, count)


def pay_for_snapshot(parts: Parts, session: Session, room: Room) -> None:
    """Count the snapshot that a session is about to receive.

    It counts as more than its one command, in proportion to its bytes, if the session is in the room already, or has
    joined more often than it may be in rooms: nothing that a client needs when it connects.
    """
    size = room.presence.members_bytes()
    parts.entries.spend(ENTRY_BYTES + size)
    session.joins += 1
    if room.name in session.rooms or session.joins > parts.limits.max_rooms:
        now, bucket = parts.clock.monotonic(), session.commands
        if not isinstance(bucket, TokenBucket):
            bucket = session.commands = TokenBucket(COMMANDS_PER_SECOND, COMMANDS_BURST, now)
        bucket.spend(now, size // COMMAND_BYTES)


def too_fast(parts: Parts, session: Session, wait: float, id: str | None = None) -> ParleyError:
    """Make the refusal of a frame that may be repeated in ``wait`` seconds; disconnect a client after too many."""
    if session.refusals is None:
        session.refusals = TokenBucket(REFUSALS_PER_SECOND, REFUSALS_BURST, parts.clock.monotonic())
    if session.refusals.take(parts.clock.monotonic()):
        of = session.address or "an unknown address"
        log.warning("closing session %s of %s: the client floods the server", session.id, of, extra=session.marks)
        session.close(FLOOD)
    return rate_limited(wait, id)


def take_guest(parts: Parts, network: str) -> float:
    """Count a new guest from this address. Returns 0.0, or the seconds until one is allowed."""
    if parts.newcomers is None or not network:
        return 0.0
    return parts.newcomers.take(network, parts.clock.monotonic())


def give_guest_back(parts: Parts, session: Session) -> None:
    """Stop counting the guest that was generated for this session, which now acts for a known user."""
    if parts.newcomers is not None and session.network:
        parts.newcomers.of(session.network, parts.clock.monotonic()).give()


def admit_room(parts: Parts, actor: Actor, *, take: bool = True) -> None:
    """Make sure that the actor may create one more persistent room; ``take`` counts it.

    Raises:
        ParleyError: ``too_many_rooms``.
    """
    if parts.storage.is_full():
        raise ParleyError("too_many_rooms", "the server cannot store any more rooms")
    parts.makers.admit(actor, parts.clock.monotonic(), take=take)


def take_invitation(parts: Parts, actor: Actor) -> None:
    """Count an invitation; one by a guest counts for the network, because a new guest costs nothing.

    Raises:
        ParleyError: ``rate_limited``.
    """
    if wait := parts.inviters.take(_counted_for(actor), parts.clock.monotonic()):
        raise rate_limited(wait)


def take_direct(parts: Parts, actor: Actor, other: str) -> None:
    """Count a new direct room that a guest opens, for the network and for the other user.

    Raises:
        ParleyError: ``rate_limited``.
    """
    if not actor.identity.guest:
        return
    now = parts.clock.monotonic()
    buckets = (parts.guest_directs.of(_counted_for(actor), now), parts.received_directs.of(other, now))
    if wait := max(bucket.wait(now) for bucket in buckets):
        raise rate_limited(wait)
    for bucket in buckets:
        bucket.take(now)


def take_report(parts: Parts, actor: Actor) -> None:
    """Count a report of a message; one by a guest counts for the network.

    Raises:
        ParleyError: ``rate_limited``.
    """
    if wait := parts.reporters.take(_counted_for(actor), parts.clock.monotonic()):
        raise rate_limited(wait)


def take_audited(parts: Parts, actor: Actor) -> None:
    """Count what gets an entry in the audit log, which keeps it for months; of guests for the network.

    Raises:
        ParleyError: ``rate_limited``.
    """
    allowances = parts.audited_guests if actor.identity.guest else parts.audited
    if wait := allowances.take(_counted_for(actor), parts.clock.monotonic()):
        raise rate_limited(wait)


def _counted_for(actor: Actor) -> str:
    return actor.network if actor.identity.guest and actor.network else actor.user.id


def take_link_use(parts: Parts, actor: Actor) -> None:
    """Count an attempt to use an invite link, for the user and for the network.

    Raises:
        ParleyError: ``rate_limited``.
    """
    if wait := parts.link_users.take(actor.user.id, parts.clock.monotonic()):
        raise rate_limited(wait)
    if actor.network:
        take_link_look(parts, actor.network)


def take_link_look(parts: Parts, network: str) -> None:
    """Count an attempt to find an invite link, which needs no user.

    Raises:
        ParleyError: ``rate_limited``.
    """
    if wait := parts.network_links.take(network, parts.clock.monotonic()):
        raise rate_limited(wait)


async def try_password(parts: Parts, actor: Actor, name: str, hashed: str | None, password: str) -> bool:
    """Count an attempt, and return whether ``password`` is that of the room of this name.

    ``hashed`` is None for a room without a password, and if there is no room.

    Raises:
        ParleyError: ``rate_limited``, ``overloaded``, whether or not the room exists.
    """
    now = parts.clock.monotonic()
    buckets = [parts.attempts.of(key, now) for key in (f"by {actor.user.id}", f"at {name}")]
    if actor.network:
        buckets.append(parts.network_attempts.of(actor.network, now))
    if wait := max(bucket.wait(now) for bucket in buckets):
        raise rate_limited(wait)
    for bucket in buckets:
        bucket.take(now)
    return await parts.passwords.matches(hashed, password, hashing_for(actor))


def hashing_for(actor: Actor) -> Party:
    """Return the party in whose turn a password of this actor is hashed."""
    return Party(actor.network or actor.user.id, actor.user.id)
