"""What people, storage and the server do in a `World`, each chosen by two small numbers."""

from collections.abc import Sequence
from typing import Any

from tests.support.devices import PASSWORD, Device
from tests.support.world import POINTS, World

EMOJI = ("+1", "\u2764", ":wave:")
CLOCK_STEPS_US = (0, 0, -3_600_000_000, 3_600_000_000)
JUDGES = ("moderator", "owner")
ROLES = ("readonly", "member", "member", "moderator", "moderator", "owner")
WORDS = ("red fish", "blue fish", "@olga look", "@Mo and @gus", "a long one ".ljust(300, "x"))

# How often each is done, beside the others.
WEIGHTS = {
    "say": 8, "reply": 4, "repeat": 2, "say_poison": 1, "edit": 4, "delete": 2, "react": 5, "pin": 2,
    "typing": 1, "mark_read": 3, "join": 5, "resume": 3, "leave": 2, "quit": 2,
    "create_room": 1, "update_room": 2, "delete_room": 1, "direct": 2,
    "invite": 2, "kick": 2, "ban": 2, "unban": 2, "mute": 2, "unmute": 1, "set_role": 3,
    "history": 1, "members": 1, "rooms": 1, "search": 1, "announce": 1, "ping": 1,
    "reconnect": 3, "drop": 2, "wait": 1, "wait_long": 1,
    "race": 20, "race_a_resume": 12, "race_a_page": 4, "knock": 2, "thread": 5, "out_and_back": 4, "hurry": 3, "gag": 2,
    "hold": 4, "go": 3, "away": 1, "back": 2, "lose_answers": 1, "fault": 1,
    "restart": 4, "takeover": 1, "check": 1,
}  # fmt: skip
ACTIONS = [name for name, weight in WEIGHTS.items() for _ in range(weight)]


# What waits for storage, and where; and what somebody else may do to it, or to whoever asked for it, meanwhile.
SLOW = (
    ("history", "history"), ("react", "find_message"), ("edit", "find_message"), ("reply", "find_message"),
    ("pin", "find_message"), ("delete", "find_message"), ("join", "find_member"), ("join", "standings"),
    ("resume", "count_changed"), ("repeat", "find_posted"), ("mark_read", "find_member"), ("members", "members"),
    ("members", "count_members"), ("rooms", "rooms_of"), ("rooms", "unread"), ("search", "search"),
    ("kick", "find_member"), ("set_role", "find_member"), ("mute", "find_user"), ("direct", "find_user"),
    ("create_room", "find_room"), ("quit", "write"), ("say", "write"),
)  # fmt: skip
MEANWHILE = (
    "kick", "kick", "ban", "mute", "set_role", "delete_room", "update_room", "react", "edit", "delete", "say",
    "quit", "leave", "join", "invite", "unban", "reconnect", "drop", "mark_read", "create_room", "pin",
)  # fmt: skip


class Doings:
    """Actions by name: `which` is the device, `what` chooses everything else."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._number = 0
        self._aim: tuple[Device, Sequence[str]] | None = None

    async def do(self, action: str, which: int, what: int) -> None:
        device = self.world.devices[which % len(self.world.devices)]
        waits = getattr(self, f"do_{action}")(device, what)
        if waits is not None:
            await waits

    def _room(self, device: Device, what: int, *, entered: bool = True) -> str:
        """A room that it is in, mostly; else any."""
        rooms = device.rooms()
        if self._aim is not None and what % 5:
            rooms = [room for room in rooms if room in self._aim[1]] or rooms
        if entered and rooms and what % 10:
            return rooms[what % len(rooms)]
        places = [*self.world.rooms, self.world.direct(device, self.world.people[what % 2])]
        return places[what // 10 % len(places)]

    def _seq(self, device: Device, room: str, what: int) -> int:
        """A message that it knows: mostly one of the last; or none that there is."""
        view = device.views.get(room)
        seqs = sorted(view.copy.states) if view is not None else []
        return seqs[-1 - what // 7 % min(len(seqs), 8)] if seqs else 1

    def _user(self, what: int) -> str:
        if self._aim is not None and what % 5:
            return self._aim[0].id
        return self.world.people[what // 3 % len(self.world.people)].id

    def _content(self, what: int) -> str:
        self._number += 1
        return f"{WORDS[what % len(WORDS)]} {self._number}"

    # Messages.

    def do_say(self, device: Device, what: int) -> None:
        device.say(self._room(device, what), self._content(what))

    def do_say_poison(self, device: Device, what: int) -> None:
        device.say(self._room(device, what), f"poison {self._content(what)}")

    def do_reply(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        device.say(room, self._content(what), reply_to=self._seq(device, room, what))

    def do_repeat(self, device: Device, what: int) -> None:
        posts = [post for (sender, _), post in self.world.ledger.posts.items() if sender == device.id]
        if posts:
            device.repeat(posts[-1 - what % min(len(posts), 6)])

    def do_edit(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        view = device.views.get(room)
        states = view.copy.states if view is not None else {}
        mine = [seq for seq, state in states.items() if state["sender_id"] == device.id]
        seq = mine[-1 - what // 7 % min(len(mine), 5)] if mine and what % 8 else self._seq(device, room, what)
        device.ask("edit", room=room, seq=seq, content=self._content(what))

    def do_delete(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        device.ask("delete", room=room, seq=self._seq(device, room, what))

    def do_react(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        seq = self._seq(device, room, what)
        device.ask("react", room=room, seq=seq, emoji=EMOJI[what % len(EMOJI)], on=what % 5 != 0)

    def do_pin(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        device.ask("pin", room=room, seq=self._seq(device, room, what), on=what % 3 != 0)

    def do_typing(self, device: Device, what: int) -> None:
        device.ask("typing", room=self._room(device, what))

    def do_mark_read(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        device.ask("read", room=room, seq=self._seq(device, room, what))

    # Coming and going.

    def do_join(self, device: Device, what: int) -> None:
        fields = {"password": PASSWORD if what % 5 else "guessed"} if what % 5 < 2 else {}
        device.join(self._room(device, what, entered=False), resume=False, **fields)

    def do_resume(self, device: Device, what: int) -> None:
        device.join(self._room(device, what, entered=what % 3 == 0))

    def do_leave(self, device: Device, what: int) -> None:
        device.ask("leave", room=self._room(device, what))

    def do_quit(self, device: Device, what: int) -> None:
        device.ask("leave", room=self._room(device, what), quit=True)

    def do_reconnect(self, device: Device, what: int) -> None:
        if what % 2:
            self.world.read()
        device.disconnect()
        device.connect(self.world.chat)

    def do_drop(self, device: Device, what: int) -> None:
        if what % 2:
            self.world.read()
        device.disconnect()

    # Rooms and their people.

    def do_create_room(self, device: Device, what: int) -> None:
        fields: list[dict[str, Any]] = [{}, {"private": True}, {"password": PASSWORD}, {"topic": "talk"}]
        device.ask("create_room", room=self.world.rooms[what % 3], **fields[what % len(fields)])

    def do_update_room(self, device: Device, what: int) -> None:
        changes: list[dict[str, Any]] = [
            {"title": f"title {what}"},
            {"topic": f"topic {what}"},
            {"private": True},
            {"private": False},
            {"password": PASSWORD},
            {"password": ""},
            {"slow_mode": 1},
            {"slow_mode": 0},
            {"retention_days": what % 100},
        ]
        device.ask("update_room", room=self._room(device, what), **changes[what // 2 % len(changes)])

    def do_delete_room(self, device: Device, what: int) -> None:
        device.ask("delete_room", room=self._room(device, what))

    def do_direct(self, device: Device, what: int) -> None:
        device.ask("direct", user=self._user(what))

    def _about(self, device: Device, kind: str, what: int, **fields: Any) -> None:
        device.ask(kind, room=self._room(device, what), user=self._user(what), **fields)

    def do_invite(self, device: Device, what: int) -> None:
        self._about(device, "invite", what)

    def do_kick(self, device: Device, what: int) -> None:
        self._about(device, "kick", what)

    def do_ban(self, device: Device, what: int) -> None:
        self._about(device, "ban", what, **({"seconds": 30} if what % 2 else {}))

    def do_unban(self, device: Device, what: int) -> None:
        self._about(device, "unban", what)

    def do_mute(self, device: Device, what: int) -> None:
        self._about(device, "mute", what, reason="too loud", **({"seconds": 30} if what % 2 else {}))

    def do_unmute(self, device: Device, what: int) -> None:
        self._about(device, "unmute", what)

    def do_set_role(self, device: Device, what: int) -> None:
        self._about(device, "set_role", what, role=ROLES[what // 4 % len(ROLES)])

    # Looking.

    def do_history(self, device: Device, what: int) -> None:
        room = self._room(device, what)
        asked: list[dict[str, Any]] = [
            {"pinned": True}, {"q": "fish"}, {"sender": "mo"}, {"include_deleted": True},
            {"around": self._seq(device, room, what)}, {"after": 1}, {}, {},
        ]  # fmt: skip
        device.ask("history", room=room, limit=1 + what % 9, **asked[what % len(asked)])

    def do_members(self, device: Device, what: int) -> None:
        device.ask("members", room=self._room(device, what), limit=1 + what % 3)

    def do_rooms(self, device: Device, what: int) -> None:
        device.ask("rooms", mine=what % 3 != 0)

    def do_search(self, device: Device, what: int) -> None:
        device.ask("search", q="fish", limit=1 + what % 5)

    def do_announce(self, device: Device, what: int) -> None:
        device.ask("announce", content="closing soon")

    def do_ping(self, device: Device, what: int) -> None:
        device.ask("ping")

    # Several at once.

    async def do_race(self, device: Device, what: int) -> None:
        """Somebody waits for storage; others go on, most often about them and in the same room."""
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
        """Somebody comes back, and storage is slow to tell what they missed."""
        world = self.world
        world.read()
        rooms = device.rooms()
        device.disconnect()
        for number in range(2):
            await self._meanwhile(device, 10 + number)  # says something
        world.repository.hold("changed")
        device.connect(world.chat)
        await world.pause(0.01)
        for number in range(1 + what % 3):
            await self._meanwhile(device, what + 7 * number, rooms)
            await world.pause(0.001 * (what % 2))
        world.repository.go("changed")
        await world.pause(0.001)
        world.read()

    async def do_thread(self, device: Device, what: int) -> None:
        """A message becomes another, when it was answered and has reactions; and so does the answer."""
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
        """Somebody has read, is sent out, and perhaps comes back."""
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
        """Somebody says a lot where everybody has to take their time."""
        judge, room = self._judge_and_room(device, what)
        judge.ask("update_room", room=room, slow_mode=1 + 9 * (what % 3))
        for number in range(3):
            await self.world.pause(0.3 * (what % 4))
            device.say(room, self._content(what + number))

    def do_gag(self, device: Device, what: int) -> None:
        """Somebody goes on, though they must not."""
        judge, room = self._judge_and_room(device, what)
        judge.ask("mute", room=room, user=device.id)
        for action in (self.do_typing, self.do_say, self.do_edit, self.do_react, self.do_reply):
            action(device, what)

    def _judge_and_room(self, device: Device, what: int) -> tuple[Device, str]:
        """Somebody who has a say in a room where the device is, if there is anybody."""
        judge = self.world.devices[what // 3 % 2]
        over = [name for name in device.rooms() if name in judge.rooms() and judge.views[name].role in JUDGES]
        return judge, over[what % len(over)] if over else self._room(device, what)

    async def _told(self) -> None:
        await self.world.pause(0.001)
        self.world.read()

    async def do_race_a_page(self, device: Device, what: int) -> None:
        """Somebody reads, and storage is slow to answer; what is on the page becomes something else."""
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
        """Somebody tries to get in where they have no business, perhaps with a password."""
        fields: list[dict[str, Any]] = [{}, {"password": "guessed"}, {"password": "guessed"}, {"password": PASSWORD}]
        outside = [name for name in self.world.rooms[::-1] if name not in device.rooms()]
        if outside:
            device.join(outside[0], resume=False, **fields[what % len(fields)])

    async def _meanwhile(self, device: Device, what: int, rooms: Sequence[str] = ()) -> None:
        """Another device does something, or another one of the same person."""
        others = [other for other in self.world.devices if other is not device]
        self._aim = (device, rooms or device.rooms())
        try:
            await self.do(MEANWHILE[what % len(MEANWHILE)], self.world.devices.index(others[what % len(others)]), what)
        finally:
            self._aim = None

    # Time, storage and the server.

    async def do_wait(self, device: Device, what: int) -> None:
        await self.world.pause(1.5)

    async def do_wait_long(self, device: Device, what: int) -> None:
        await self.world.pause(31.0)

    def do_hold(self, device: Device, what: int) -> None:
        self.world.repository.hold(POINTS[what % len(POINTS)])

    def do_go(self, device: Device, what: int) -> None:
        for point in POINTS if what % 3 == 0 else (POINTS[what % len(POINTS)],):
            self.world.repository.go(point)

    def do_away(self, device: Device, what: int) -> None:
        self.world.repository.away = "unplugged"

    def do_back(self, device: Device, what: int) -> None:
        self.world.repository.away = None

    def do_lose_answers(self, device: Device, what: int) -> None:
        self.world.repository.lost_answers += 1 + what % 2

    def do_fault(self, device: Device, what: int) -> None:
        self.world.repository.faults["write"].append(ZeroDivisionError("a bug"))

    async def do_restart(self, device: Device, what: int) -> None:
        await self.world.die()
        self.world.clock.offset_us += CLOCK_STEPS_US[what % len(CLOCK_STEPS_US)]
        await self.world.start()

    def do_takeover(self, device: Device, what: int) -> None:
        self.world.read()
        self.world.chat.taken_over()

    async def do_check(self, device: Device, what: int) -> None:
        await self.world.check()
