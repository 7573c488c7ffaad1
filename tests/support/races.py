"""Concurrent actions and sequences that are most likely to go wrong, and the frequencies of all actions."""

from collections.abc import Sequence
from typing import Any

from tests.support.devices import PASSWORD, Device
from tests.support.doings import EMOJI, WORDS, Doings

# The relative frequency of each action.
WEIGHTS = {
    "say": 8, "reply": 4, "repeat": 2, "say_poison": 1, "edit": 4, "delete": 2, "react": 5, "pin": 2,
    "typing": 1, "mark_read": 3, "join": 5, "resume": 3, "leave": 2, "quit": 2,
    "create_room": 1, "update_room": 2, "delete_room": 1, "direct": 2,
    "invite": 4, "decline": 2, "kick": 2, "ban": 2, "unban": 2, "mute": 2, "unmute": 1, "set_role": 3,
    "history": 1, "members": 1, "rooms": 2, "search": 1, "announce": 1, "ping": 1, "hello": 1,
    "reconnect": 3, "drop": 2, "wait": 1, "wait_long": 1, "stall": 2, "go_on": 2,
    "visit": 12, "look": 3, "hang_up": 1,
    "race": 20, "race_a_resume": 12, "race_a_page": 4, "knock": 2, "thread": 5, "out_and_back": 4, "hurry": 3, "gag": 2,
    "fill_the_queue": 1, "bury": 1, "desert": 3,
    "lose_what_was_shown": 2, "take_back_what_was_shown": 2, "come_back_while_it_waits": 2,
    "hold": 4, "go": 3, "away": 1, "back": 2, "lose_answers": 1, "shorten_answers": 1, "fault": 1,
    "restart": 4, "takeover": 1, "check": 1,
}  # fmt: skip
ACTIONS = [name for name, weight in WEIGHTS.items() for _ in range(weight)]

# Actions that wait for storage, and at which point; and concurrent actions on the same thing, or on their user.
SLOW = (
    ("history", "history"), ("react", "find_message"), ("edit", "find_message"), ("reply", "find_message"),
    ("pin", "find_message"), ("delete", "find_message"), ("join", "find_member"), ("join", "standings"),
    ("resume", "count_changed"), ("repeat", "find_posted"), ("mark_read", "find_member"), ("members", "members"),
    ("members", "count_members"), ("rooms", "rooms_of"), ("rooms", "unread"), ("search", "search"),
    ("kick", "find_member"), ("set_role", "find_member"), ("mute", "find_user"), ("direct", "find_user"),
    ("create_room", "find_room"), ("quit", "write"), ("say", "write"),
    ("invite", "invitations"), ("invite", "find_user"), ("rooms", "invitations"), ("decline", "find_room"),
)  # fmt: skip
MEANWHILE = (
    "kick", "kick", "ban", "mute", "set_role", "delete_room", "update_room", "react", "edit", "delete", "say",
    "quit", "leave", "join", "invite", "unban", "reconnect", "drop", "mark_read", "create_room", "pin", "decline",
)  # fmt: skip
SAY = MEANWHILE.index("say")


class Races(Doings):
    """The actions of `Doings`, and several of them at once."""

    async def do_race(self, device: Device, what: int) -> None:
        """While a command waits for storage, other users act, usually on its user and in the same room."""
        kind, point = SLOW[what % len(SLOW)]
        world = self.world
        (world.repository.delay if what % 4 else world.repository.hold)(point)
        await self.do(kind, world.devices.index(device), what)
        await world.pause(0.001)
        for number in range(1 + what % 3):
            await self._meanwhile(device, what + 7 * number)
            await world.pause(0.001 * (what % 2))
        world.repository.go(point)
        await world.pause(0.001)
        world.read()

    async def do_race_a_resume(self, device: Device, what: int) -> None:
        """A client reconnects, and storage is slow to return what it missed."""
        world = self.world
        world.read()
        rooms = device.rooms()
        device.disconnect()
        for number in range(2):
            await self._meanwhile(device, SAY + len(MEANWHILE) * (what + number), rooms)
        world.repository.hold("changed")
        device.connect(world.chat)
        await world.pause(0.01)
        if rooms:
            self._other(device, what).say(rooms[what % len(rooms)], self._content(what))
        for number in range(1 + what % 3):
            await self._meanwhile(device, what + 7 * number, rooms)
            await world.pause(0.001 * (what % 2))
        world.repository.go("changed")
        await world.pause(0.001)
        world.read()

    async def do_lose_what_was_shown(self, device: Device, what: int) -> None:
        """A client sees a message and disconnects; the server dies before storing it; others post before it returns."""
        room, other = self._room(device, what), self._other(device, what)
        self.world.repository.away = "unplugged"
        device.say(room, self._content(what))
        await self._told()
        other.disconnect()
        await self.world.die()
        self.world.repository.away = None
        await self.world.start(without=other)
        device.say(room, self._content(what))
        await self._told()
        other.connect(self.world.chat)

    async def do_take_back_what_was_shown(self, device: Device, what: int) -> None:
        """A client sees a message, disconnects, and misses that storage refused it."""
        self.world.repository.hold("write")
        self.do_say_poison(device, what)
        await self._told()
        self._other(device, what).disconnect()
        self.world.repository.go("write")
        await self._told()

    async def do_come_back_while_it_waits(self, device: Device, what: int) -> None:
        """A message is pending, and its ack is due on another connection too, or instead."""
        self.world.repository.hold("write")
        device.say(self._room(device, what), self._content(what))
        sent = list(self.world.ledger.posts.values())[-1]
        await self._told()
        twins = [other for other in self.world.devices if other.principal is device.principal and other is not device]
        if twins:
            twins[0].repeat(sent)
        else:
            self.do_reconnect(device, what)
            await self._told()
            device.repeat(sent)
        await self._told()
        self.world.repository.go("write")

    async def do_fill_the_queue(self, device: Device, what: int) -> None:
        """A client sends more messages than may be queued for storage."""
        room = self._room(device, what)
        self.world.repository.away = "unplugged"
        for number in range(9):
            device.say(room, self._content(what + number))
        await self._told()
        self.world.repository.away = None

    async def do_bury(self, device: Device, what: int) -> None:
        """A client stops reading, and receives more than may be queued for it."""
        room, other = self._room(device, what), self._other(device, what)
        device.stall()
        for _ in range(4):
            await self._told()
            for _ in range(3):
                other.say(room, self._content(len(WORDS) - 1))  # a long one
        await self._told()
        if what % 2:
            device.go_on(self.world.chat)

    async def do_desert(self, device: Device, what: int) -> None:
        """All clients disconnect, and some use HTTP: a room may be loaded and unloaded for one request."""
        world = self.world
        for one in world.devices:
            one.disconnect()
        for number in range(4):
            self.do_visit(self._other(device, what + number), what * 5 + number)
            if (what + number) % 3 == 0:
                await self._told()
        for one in world.devices:
            one.connect(world.chat)

    def _other(self, device: Device, what: int) -> Device:
        others = [other for other in self.world.devices if other is not device]
        return others[what % len(others)]

    async def do_thread(self, device: Device, what: int) -> None:
        """A message with replies and reactions is changed, and so is the reply."""
        world, room = self.world, self._room(device, what)
        others = [other for other in world.devices if other is not device and room in other.rooms()]
        if not others:
            return
        other, away = others[what % len(others)], others[what // 3 % len(others)]
        device.say(room, self._content(what))
        await self._told()
        about = self._seq(device, room, 0)
        other.say(room, self._content(what + 1), reply_to=about)
        await self._told()
        reply = self._seq(other, room, 0)
        if away is not other and what % 2:
            away.disconnect()
        other.ask("react", room=room, seq=about, emoji=EMOJI[0])
        other.ask("pin", room=room, seq=about)
        if what % 3:
            device.ask("edit", room=room, seq=about, content=self._content(what))
        else:
            device.ask("delete", room=room, seq=about)
        await world.pause(0.001 * (what % 3))
        device.ask("react", room=room, seq=reply, emoji=EMOJI[1])
        if away.near is None:
            away.connect(world.chat)

    async def do_out_and_back(self, device: Device, what: int) -> None:
        """A user has a read cursor, is removed, and possibly joins again."""
        world = self.world
        judge, room = self._judge_and_room(device, what)
        device.ask("read", room=room, seq=self._seq(device, room, 0))
        await world.pause(0.6 * (what % 3))
        if judge.principal is device.principal:
            device.ask("leave", room=room, quit=True)
        else:
            judge.ask("ban" if what % 5 == 0 else "kick", room=room, user=device.id)
        await self._told()
        if what % 4:
            device.join(room, resume=bool(what % 2))

    async def do_hurry(self, device: Device, what: int) -> None:
        """A user posts fast in a room in slow mode."""
        judge, room = self._judge_and_room(device, what)
        judge.ask("update_room", room=room, slow_mode=1 + 9 * (what % 3), topic=self._content(what))
        for number in range(3):
            await self.world.pause(0.3 * (what % 4))
            device.say(room, self._content(what + number))

    def do_gag(self, device: Device, what: int) -> None:
        """A user keeps acting without permission."""
        judge, room = self._judge_and_room(device, what)
        judge.ask("mute", room=room, user=device.id)
        for action in (self.do_typing, self.do_say, self.do_edit, self.do_react, self.do_reply):
            action(device, what)

    async def _told(self) -> None:
        await self.world.pause(0.001)
        self.world.read()

    async def do_race_a_page(self, device: Device, what: int) -> None:
        """A page is read, and storage is slow; its messages are changed in the meantime."""
        world = self.world
        author, room = world.devices[what % len(world.devices)], self._room(device, what)
        author.say(room, self._content(what))
        await self._told()
        kind = ("history", "search")[what % 2]
        world.repository.hold(kind)
        fields: dict[str, Any] = {"room": room} if kind == "history" else {"q": "fish"}
        device.ask(kind, limit=5, **fields)
        await world.pause(0.001)
        seq = self._seq(author, room, 0)
        changes: list[tuple[str, dict[str, Any]]] = [
            ("edit", {"content": self._content(what)}), ("delete", {}), ("react", {"emoji": EMOJI[0]}), ("pin", {})
        ]  # fmt: skip
        change, fields = changes[what // 2 % len(changes)]
        author.ask(change, room=room, seq=seq, **fields)
        await world.pause(0.001)
        world.repository.go(kind)
        await self._told()

    def do_knock(self, device: Device, what: int) -> None:
        """A user tries to enter a room that they have no access to, possibly with a password."""
        fields: list[dict[str, Any]] = [{}, {"password": "guessed"}, {"password": "guessed"}, {"password": PASSWORD}]
        outside = [name for name in self.world.rooms[::-1] if name not in device.rooms()]
        if outside:
            device.join(outside[0], resume=False, **fields[what % len(fields)])

    async def _meanwhile(self, device: Device, what: int, rooms: Sequence[str] = ()) -> None:
        """Choose another device, of the same or another user."""
        self._aim = (device, rooms or device.rooms())
        try:
            other = self.world.devices.index(self._other(device, what))
            await self.do(MEANWHILE[what % len(MEANWHILE)], other, what)
        finally:
            self._aim = None
