"""One process of the Python generator: its share of the clients, its share of the messages."""

from __future__ import annotations

import gc
import re
import time
from collections import Counter, deque
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from tests.load.generator_clients import Client, Connections, Load, filled, frame
from tests.load.generator_rooms import CLOSE, PING, PONG, BrokenFrame, Histogram, Piece, Room, split

RECEIVE = 1 << 18
_ID = re.compile(rb'"id":"(\d+)"')


@dataclass
class Report:
    """What one worker counted."""

    opened: int = 0
    dead: int = 0
    connect_s: float = 0
    sent: int = 0
    measured_sent: int = 0
    measured: int = 0
    measured_bytes: int = 0
    received: int = 0
    expected: int = 0
    acked: int = 0
    refused: int = 0
    order_violations: int = 0
    misrouted: int = 0
    protocol_errors: int = 0
    other_frames: int = 0
    busy: float = 0
    latency: Histogram = field(default_factory=Histogram)
    ack_lag: Histogram = field(default_factory=Histogram)
    logs: dict[int, tuple[int, int]] = field(default_factory=dict)  # room: (messages, digest of their order)
    divergent: set[int] = field(default_factory=set)


class Worker:
    """Clients of this process: those in `mine`. `seen[w * publishers + p]`: what worker w's members all have of p."""

    def __init__(self, load: Load, index: int, workers: int, pipe: Connection, seen: MutableSequence[int]) -> None:
        self.load, self.index, self.workers, self.pipe, self.seen = load, index, workers, pipe, seen
        self.n_publishers = load.publishers * load.rooms
        # Whole rooms where there are enough of them: then what all members have seen is known here.
        self.whole_rooms = load.rooms >= workers
        every = range(load.clients)
        owners = [i % load.rooms if self.whole_rooms else i // load.rooms for i in every]
        self.mine = [i for i in every if owners[i] % workers == index]
        self.rooms: dict[int, Room] = {}
        self.publishers: dict[int, Client] = {}
        self.report = Report()
        self.publishing = self.measuring = False
        self.sent: Counter[int] = Counter()  # by room
        self.pieces: list[tuple[int, Piece]] = []  # read while measuring: when, what
        self.connections = Connections(load, self.readable)

    # --- the phases ---

    def run(self) -> None:
        """Connect when told so, load by the clock that the parent sends, send the report back."""
        self.pipe.send("up")
        self.pipe.recv()
        self.connect()
        gc.freeze()
        gc.disable()  # for seconds; what a run makes is freed by counting
        self.pipe.send((self.report.opened, self.report.connect_s))
        while not self.pipe.poll():
            self.connections.turn(0.01)
        start, measure, end, last = self.pipe.recv()  # nanoseconds of time.monotonic_ns
        if not self.load.idle:
            self.talk(start, measure, end, last)
        else:
            while time.monotonic_ns() < end:
                self.connections.turn(0.01)
        self.finish()
        self.pipe.send(self.report)
        self.pipe.recv()  # connections stay open until everything is counted

    def connect(self) -> None:
        """Open all connections, `inflight` at a time; gives up after 60 s."""
        begin = time.monotonic()
        waiting = deque(self.mine)
        while (waiting or self.connections.handshakes) and time.monotonic() - begin < 60:
            while waiting and self.connections.handshakes < max(1, self.load.inflight // self.workers):
                number = waiting.popleft()
                room = number % self.load.rooms
                if room not in self.rooms:
                    self.rooms[room] = Room(room, self.load.rooms, self.all_saw)
                self.connections.dial(number, self.rooms[room])
            self.connections.turn(0.01)
        self.report.connect_s = time.monotonic() - begin

    def talk(self, start: int, measure: int, end: int, last: int) -> None:
        """Publish from `start` to `end`, count from `measure` on, wait for what is missing until `last`."""
        load = self.load
        while time.monotonic_ns() < start:
            self.connections.turn(0.001)
        self.publishing = True
        every = int(1e9 / load.rate) if load.rate else 0
        # The total is spread over all publishers in turn; these are the turns of ours.
        turns = deque((start + every * number, client) for number, client in sorted(self.publishers.items()))
        if load.window:
            for client in self.publishers.values():
                for _ in range(load.window):
                    self.publish(client, time.monotonic_ns())
        busy = 0.0
        while (now := time.monotonic_ns()) < end:
            if not self.measuring and now >= measure:
                self.measuring, busy = True, time.process_time()
            if every and turns:
                while turns[0][0] <= now:
                    due, client = turns.popleft()
                    self.publish(client, due)
                    turns.append((due + every * self.n_publishers, client))
                self.connections.turn(min((turns[0][0] - time.monotonic_ns()) / 1e9, 0.01))
            else:
                self.connections.turn(0.01 if self.whole_rooms else 0.0005)
            if load.window and not self.whole_rooms:
                self.look_at_the_others()
        self.report.busy = (time.process_time() - busy) / (max(time.monotonic_ns() - measure, 1) / 1e9)
        self.measuring = self.publishing = False
        self.pipe.send(self.sent)
        self.report.expected = self.await_expected()
        while time.monotonic_ns() < last:
            if self.report.received >= self.report.expected and (
                not load.acks or self.report.acked + self.report.refused >= self.report.sent
            ):
                break
            self.connections.turn(0.01)

    def await_expected(self) -> int:
        """Return how many deliveries this process should have had: the parent knows what all have sent, by room."""
        while not self.pipe.poll():
            self.connections.turn(0.001)
        sent: Counter[int] = self.pipe.recv()
        members = Counter(
            client.number % self.load.rooms for client in self.connections.clients.values() if client.open
        )
        return sum(count * members[room] for room, count in sent.items())

    def finish(self) -> None:
        """Turn what was noted into figures: not while the clock runs."""
        report = self.report
        report.dead = self.connections.dead
        for now, piece in self.pieces:
            report.measured += len(piece.sent_at)
            report.measured_bytes += len(piece.data)
            for sent_at in piece.sent_at:
                report.latency.add(max(now - sent_at, 0))
        for number, room in self.rooms.items():
            report.order_violations += room.order_violations
            report.misrouted += room.misrouted
            report.logs[number] = (len(room.log), hash(tuple(room.log)))  # numbers hash alike in every process
            if room.divergent:
                report.divergent.add(number)

    def readable(self, client: Client) -> None:
        """Read once."""
        try:
            data = client.socket.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now = time.monotonic_ns()
        if not data:
            self.connections.drop(client)
            return
        if client.rest:
            data = client.rest + data
        room = client.room
        piece = room.pieces.get(client.position)
        if piece is None or piece.data != data:
            if not client.open:
                self.opening(client, data)
                return
            piece = self.take_apart(client, data, now)
            if piece is None:
                return
        client.rest = piece.rest
        if count := len(piece.sent_at):
            self.report.received += count
            if self.measuring:
                self.pieces.append((now, piece))
            client.position = room.advance(client.position, count)

    def take_apart(self, client: Client, data: bytes, now: int) -> Piece | None:
        """Look into what was read for the first time; None when the connection ended with it."""
        try:
            frames = split(data)
        except BrokenFrame:
            self.report.protocol_errors += 1
            self.connections.drop(client)
            return None
        room = client.room
        piece = Piece(data, room.parse(data, frames.end, client.position), data[frames.end :])
        for opcode, payload in frames.control:
            if opcode == PING:
                self.connections.send(client, frame(payload, PONG))
            elif opcode == CLOSE:
                self.connections.drop(client)
                return None
        acks = 0
        if len(piece.sent_at) < len(frames.data):
            others = [data[begin:end] for begin, end in frames.data if b"~T" not in data[begin:end]]
            self.report.other_frames += len(others)
            acks = sum(self.acked(client, text, now) for text in others) if self.load.acks else 0
            acks += sum(self.refused(client, text) for text in others) if self.load.refusals else 0
        if not frames.control and not acks:
            room.pieces[client.position] = piece
        return piece

    def acked(self, client: Client, text: bytes, now: int) -> int:
        """Note the acks of one frame; return how many messages it named."""
        if self.load.acks.encode() not in text:
            return 0
        names = {int(name) for name in _ID.findall(text)}
        waiting = client.due
        for _ in range(len(waiting)):
            sequence, due = waiting.popleft()
            if sequence in names:
                self.report.acked += 1
                if self.measuring:
                    self.report.ack_lag.add(max(now - due, 0))
            else:
                waiting.append((sequence, due))
        return len(names)

    def refused(self, client: Client, text: bytes) -> int:
        """Note a refusal: of that message no delivery is expected. Return how many messages the frame named."""
        if self.load.refusals.encode() not in text or not (names := _ID.findall(text)):
            return 0
        self.report.refused += 1
        self.sent[client.number % self.load.rooms] -= 1
        return len(names)

    def opening(self, client: Client, data: bytes) -> None:
        """The answer to the request, and the server's words before a client is ready."""
        if not data.startswith(b"HTTP/1.1 101"):
            self.report.protocol_errors += 1
            self.connections.drop(client)
            return
        head = data.find(b"\r\n\r\n") + 4
        if head < 4:
            client.rest = data
            return
        load = self.load
        if not client.joining:
            client.joining = True
            for join in load.joins:
                self.connections.send(client, frame(filled(join, client.number, load.rooms).encode()))
        if load.wait_join and load.wait_join.encode() not in data[head:]:
            client.rest = data  # until then everything is kept, from the first line on
            return
        frames = split(data[head:])
        client.rest = data[head + frames.end :]
        client.open = True
        client.room.enter()
        self.connections.handshakes -= 1
        self.report.opened += 1
        if client.number < self.n_publishers and not load.idle:
            client.prefix, client.suffix = filled(load.pub, client.number, load.rooms).split("{payload}", 1)
            self.publishers[client.number] = client

    # --- sending ---

    def publish(self, client: Client, due: int) -> None:
        """Send the next message of a publisher, which was due at `due` nanoseconds."""
        client.sequence += 1
        number = str(client.sequence)
        mark = f"~T{due:016x}.{client.number:06x}.{client.sequence:09x}~".ljust(self.load.size, "x")
        text = f"{client.prefix.replace('{n}', number)}{mark}{client.suffix.replace('{n}', number)}"
        if self.load.acks:
            client.due.append((client.sequence, due))
        self.report.sent += 1
        self.sent[client.number % self.load.rooms] += 1
        self.report.measured_sent += self.measuring
        self.connections.send(client, frame(text.encode()))

    def all_saw(self, publisher: int) -> None:
        """All members here have one more message of a publisher: let it go on, or tell its process."""
        self.seen[self.index * self.n_publishers + publisher] += 1
        if self.whole_rooms and self.load.window and self.publishing:
            self.publish(self.publishers[publisher], time.monotonic_ns())

    def look_at_the_others(self) -> None:
        """A publisher whose room is in several processes goes on when the members of all of them have a message."""
        for number, client in self.publishers.items():
            done = min(self.seen[number :: self.n_publishers])
            for _ in range(done - client.acknowledged):
                self.publish(client, time.monotonic_ns())
            client.acknowledged = done
