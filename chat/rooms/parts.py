"""The parts of one chat: every handler and query works with them."""

import asyncio
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from chat.delivery.counters import Counters
from chat.delivery.entries import EntryTurns
from chat.delivery.paging import PAGE_BYTES, PageTurns
from chat.delivery.ratelimit import UNLIMITED, Allowances, Rate, allowances
from chat.ports import Directory, Edges, Names, Tokens
from chat.rooms.cursors import ReadCursors
from chat.rooms.directory import LocalDirectory
from chat.rooms.guest_networks import GuestNetworks
from chat.rooms.hub import Hub
from chat.rooms.makers import Makers
from chat.rooms.passwords import Passwords
from chat.rooms.room import Room, Session
from chat.writes.workers import PoolLimits, WorkerPool
from model.limits import Limits
from model.room import Role
from storage.ports.storage import Storage
from utils.clock import Clock
from utils.tasks import TaskRegistry

# Invitations by one account, or by the guests at one address: a class or a team at once, and few in the long run.
INVITES_PER_SECOND = 0.1
INVITES_BURST = 100
# Direct rooms that the guests at one address open; those that guests open with one user, who did not ask for them.
GUEST_DIRECTS_PER_SECOND = 1 / 60
GUEST_DIRECTS_BURST = 50
RECEIVED_DIRECTS_PER_SECOND = 1 / 60
RECEIVED_DIRECTS_BURST = 100
# Reports by one principal, or by the guests at one address: many at once, and twenty a day in the long run.
REPORTS_PER_SECOND = 20 / 86_400
REPORTS_BURST = 20
# Audited commands of one account, or of all guests at one address: enough for moderators who clear a room after a
# raid, and for guests a few thousand a day.
AUDITED_PER_SECOND = 2.0
AUDITED_BURST = 500
GUESTS_AUDITED_PER_SECOND = 0.1
GUESTS_AUDITED_BURST = 100
# Invite links that one principal tries.
LINKS_PER_SECOND = 1 / 3
LINKS_BURST = 20
# Password attempts: for one room, by all users together (a list of a thousand common passwords takes half an hour),
# even if there is no such room, because that must stay secret; by one principal; and from one network.
ATTEMPTS_PER_SECOND = 0.5
ATTEMPTS_BURST = 20
NETWORK_ATTEMPTS = 4  # times as many


@dataclass(frozen=True)
class ChatOptions:
    """The options of an operator; names and defaults are those of the settings."""

    limits: Limits = field(default_factory=Limits)
    pool: PoolLimits = field(default_factory=PoolLimits)
    guests: bool = True
    guest_role: Role = "member"
    presence_grace: float = 5.0
    principal_connections: int = 200
    address_rooms: int = 1000
    server_rooms: int = 100_000
    retention_days: int = 0
    erase_after_days: int = 30
    room_tail: int = 500
    tails_bytes: int = 128 << 20
    slow_high: int = 1 << 20
    new_guests: Rate = UNLIMITED
    guest_messages: Rate = UNLIMITED
    heartbeat: float = 20.0
    server: str = "parley"
    public_url: str = ""

    @property
    def messages(self) -> Rate:
        """How often one principal may post."""
        return Rate(self.limits.messages_per_second, self.limits.messages_burst)


class _NoNames:
    """No accounts are made here."""

    def is_taken(self, name: str) -> bool:
        return False


class Parts:
    """The parts of one chat: only attributes, which functions work with. Belongs to one event loop.

    Attributes:
        limits: those of the options, with one attribute look-up less on the hot path.
        edges: the clients of the other servers; None if there are none, or if another server has the rooms.
        names: the usernames, which guests may not have; set by the server.
        page_bytes: the bytes of a page over WebSocket, as sent.
        draining: new commands are refused, and the accepted writes are being stored.
        storage_reached: storage has been reached at least once since the start.
        loading: rooms that are being read from storage, by name; the result is whether storage has failed.
        clock_differs: a warning that a room was written with a clock ahead of this one has been logged.
        kept_names: rooms that this server has made persistent, by folded name.
        name_locks: held by the command that is about to make a room persistent, by folded name.
        speakers, speaking_guests: how much a principal, and all guests at an address, may post; None for no limit.
        newcomers: how many new guests may connect from an address; None for no limit.
    """

    def __init__(self, storage: Storage, clock: Clock, tokens: Tokens, options: ChatOptions) -> None:
        self.storage = storage
        self.clock = clock
        self.tokens = tokens
        self.names: Names = _NoNames()
        self.options = options
        self.limits = options.limits
        self.page_bytes = min(PAGE_BYTES, options.slow_high // 2)
        self.counters = Counters()
        self.hub = Hub(
            tail_limit=options.room_tail,
            tails_bytes=options.tails_bytes,
            slow_high=options.slow_high,
            counters=self.counters,
        )
        self.edges: Edges | None = None
        self.directory: Directory[Session] = LocalDirectory()
        self.pool = WorkerPool(storage, options.pool, self.counters)
        self.tasks = TaskRegistry()
        self.pages = PageTurns()
        self.entries = EntryTurns()
        self.passwords = Passwords()
        self.cursors = ReadCursors()
        self.changes = self.hub.changes
        self.draining = False
        self.storage_reached = False
        self.loading: dict[str, asyncio.Future[bool]] = {}
        self.clock_differs = False
        self.kept_names: WeakValueDictionary[str, Room] = WeakValueDictionary()
        self.name_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Rates.
        self.speakers = allowances(options.messages)
        self.speaking_guests = allowances(options.guest_messages)
        self.newcomers = allowances(options.new_guests)
        self.guest_networks = GuestNetworks()
        self.makers = Makers(options.address_rooms)
        self.inviters = Allowances(INVITES_PER_SECOND, INVITES_BURST)
        self.guest_directs = Allowances(GUEST_DIRECTS_PER_SECOND, GUEST_DIRECTS_BURST)
        self.received_directs = Allowances(RECEIVED_DIRECTS_PER_SECOND, RECEIVED_DIRECTS_BURST)
        self.reporters = Allowances(REPORTS_PER_SECOND, REPORTS_BURST)
        self.audited = Allowances(AUDITED_PER_SECOND, AUDITED_BURST)
        self.audited_guests = Allowances(GUESTS_AUDITED_PER_SECOND, GUESTS_AUDITED_BURST)
        self.link_users = Allowances(LINKS_PER_SECOND, LINKS_BURST)
        self.network_links = Allowances(NETWORK_ATTEMPTS * LINKS_PER_SECOND, NETWORK_ATTEMPTS * LINKS_BURST)
        self.attempts = Allowances(ATTEMPTS_PER_SECOND, ATTEMPTS_BURST)
        self.network_attempts = Allowances(NETWORK_ATTEMPTS * ATTEMPTS_PER_SECOND, NETWORK_ATTEMPTS * ATTEMPTS_BURST)
