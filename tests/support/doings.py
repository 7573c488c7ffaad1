"""The actions of users, storage and the server in a `World`, each chosen by two small numbers."""

from collections.abc import Sequence
from typing import Any

from tests.support.devices import PASSWORD, Device
from tests.support.world import POINTS, World

EMOJI = ("+1", "\u2764\ufe0f", ":wave:")
CLOCK_STEPS_US = (0, 0, -3_600_000_000, 3_600_000_000)
JUDGES = ("moderator", "owner")
VISITED = (
    "say", "say", "say", "reply", "say_poison", "repeat", "edit", "delete", "react", "pin", "quit",
    "create_room", "update_room", "delete_room", "direct",
    "invite", "decline", "kick", "ban", "unban", "mute", "unmute", "set_role",
)  # fmt: skip
ROLES = ("readonly", "member", "member", "moderator", "moderator", "owner")
WORDS = ("red fish", "blue fish", "@olga look", "@Mo and @gus", "a long one ".ljust(300, "x"))


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
        """Choose a room: usually one that the device is in."""
        rooms = device.rooms()
        if self._aim is not None and what % 5:
            rooms = [room for room in rooms if room in self._aim[1]] or rooms
        if entered and rooms and what % 10:
            return rooms[what % len(rooms)]
        places = [*self.world.rooms, self.world.direct(device, self.world.people[what % 2])]
        return places[what // 10 % len(places)]

    def _seq(self, device: Device, room: str, what: int) -> int:
        """Choose a message that the device knows, usually one of the last; or one that does not exist."""
        view = device.views.get(room)
        seqs = sorted(view.copy.states) if view is not None else []
        return seqs[-1 - what // 7 % min(len(seqs), 8)] if seqs else 1

    def _user(self, what: int) -> str:
        if self._aim is not None and what % 5:
            return self._aim[0].id
        return self.world.people[what // 3 % len(self.world.people)].id

    def _judge_and_room(self, device: Device, what: int) -> tuple[Device, str]:
        """Choose a moderator, and a room that the device is in, if there is one."""
        judge = self.world.devices[what // 3 % 2]
        over = [name for name in judge.rooms() if judge.views[name].role in JUDGES]
        over = [name for name in over if name in device.rooms()] or over
        return judge, over[what % len(over)] if over else self._room(device, what)

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
            changed = {"content": self._content(what)} if what % 7 == 0 else {}  # which is a conflict
            device.repeat(posts[-1 - what % min(len(posts), 6)], **changed)

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

    # Connecting, joining and leaving.

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

    def do_hello(self, device: Device, what: int) -> None:
        """Renew the token, which changes nothing else."""
        if device.near is not None:
            device.ask("hello", token=device.near.token)

    def do_stall(self, device: Device, what: int) -> None:
        device.stall()

    def do_go_on(self, device: Device, what: int) -> None:
        device.go_on(self.world.chat)

    # Commands over HTTP, instead of the connections.

    def do_visit(self, device: Device, what: int) -> None:
        for other in self.world.devices:
            other.over_http = self.world.visitors.ask
        try:
            getattr(self, f"do_{VISITED[what % len(VISITED)]}")(device, what // 3)
        finally:
            for other in self.world.devices:
                other.over_http = None

    def do_look(self, device: Device, what: int) -> None:
        self.world.visitors.look(device.principal if what % 3 else None, self._room(device, what))

    def do_hang_up(self, device: Device, what: int) -> None:
        self.world.visitors.hang_up(what)

    # Rooms and their members.

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
        judge, room = self._judge_and_room(device, what) if what % 3 else (device, self._room(device, what))
        judge.ask("update_room", room=room, **changes[what // 2 % len(changes)])

    def do_delete_room(self, device: Device, what: int) -> None:
        device.ask("delete_room", room=self._room(device, what))

    def do_direct(self, device: Device, what: int) -> None:
        device.ask("direct", user=self._user(what))

    def _about(self, device: Device, kind: str, what: int, **fields: Any) -> None:
        judge, room = self._judge_and_room(device, what) if what % 3 else (device, self._room(device, what))
        judge.ask(kind, room=room, user=self._user(what), **fields)

    def do_invite(self, device: Device, what: int) -> None:
        self._about(device, "invite", what)

    def do_decline(self, device: Device, what: int) -> None:
        rooms = sorted(device.invited or ()) if what % 5 else self.world.rooms
        if rooms:
            device.ask("decline", room=rooms[what % len(rooms)])

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

    # Reading.

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

    def do_shorten_answers(self, device: Device, what: int) -> None:
        self.world.repository.short_answers += 1

    def do_fault(self, device: Device, what: int) -> None:
        self.world.repository.faults["write"].append(ZeroDivisionError("a bug"))

    async def do_restart(self, device: Device, what: int) -> None:
        await self.world.die()
        self.world.clock.offset_us += CLOCK_STEPS_US[what % len(CLOCK_STEPS_US)]
        await self.world.start()

    def do_takeover(self, device: Device, what: int) -> None:
        self.world.read()
        before = self.world.chat.parts.hub.epoch
        self.world.chat.disconnect_all("another server wrote")
        assert self.world.chat.parts.hub.epoch != before, "a copy is trusted that may lack what the other server wrote"

    async def do_check(self, device: Device, what: int) -> None:
        await self.world.check()
