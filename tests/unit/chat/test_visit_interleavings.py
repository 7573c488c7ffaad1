"""Visits among people who come, go, and are sent out, while storage answers each read and write after a random while.

Whatever the order: no fault of ours, no answer that is no answer, every message that was answered is stored once, and
nothing is left when everybody has gone.
"""

import asyncio
import random

import pytest

from chat.chat import Chat
from chat.one_shot import Visits
from chat.ports import Identity
from chat.queries.history import read_history
from chat.queries.listing import describe_room
from model import commands
from model.errors import ParleyError
from model.events import Ack, Event, Left, RoomState
from model.room import User
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, look_at

PEOPLE = [f"p{number}" for number in range(6)]
ROOMS = ["lobby", "den"]
SESSION_COMMANDS = ("join", "leave", "quit", "message", "delete_room", "create_room")


class SlowRepository(FaultyRepository):
    """Each read and write takes up to 20 ms, some none at all."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def reach(self, point: str) -> None:
        await super().reach(point)
        if self.chance.random() < 0.7:
            await asyncio.sleep(self.chance.random() * 0.02)


class World:
    """People with connections, and the same people asking without them."""

    def __init__(self, chat: Chat, visits: Visits, chance: random.Random) -> None:
        self.chat = chat
        self.visits = visits
        self.chance = chance
        self.sessions: list[Person] = []
        self.answered: dict[tuple[str, str], int] = {}  # by sender and id
        self.codes: set[str] = set()
        self._count = 0

    def new_id(self) -> str:
        self._count += 1
        return f"c{self._count}"

    def command(self) -> tuple[commands.AnyCommand, type[Event]]:
        chance, new, room = self.chance, self.new_id(), self.chance.choice(ROOMS)
        user = f"u_{chance.choice(PEOPLE)}"
        seqs = list(self.answered.values())
        seq = chance.choice(seqs) if seqs else 1
        commands_of: list[tuple[commands.AnyCommand, type[Event]]] = [
            (commands.CreateRoom(id=new, room=room, private=chance.random() < 0.5), RoomState),
            (commands.CreateRoom(id=new, room=room), RoomState),
            *[(commands.PostMessage(id=new, room=room, content=new, resend=chance.random() < 0.3), Ack)] * 6,
            (commands.PostMessage(id=new, room=room, content=new, reply_to=seq), Ack),
            (commands.DeleteRoom(id=new, room=room), Ack),
            (commands.DeleteMessage(id=new, room=room, seq=seq), Ack),
            (commands.EditMessage(id=new, room=room, seq=seq, content="edited"), Ack),
            (commands.Leave(id=new, room=room, quit=True), Left),
            (commands.OpenDirect(id=new, user=user), RoomState),
            *[
                (kind(id=new, room=room, user=user), Ack)
                for kind in (commands.Kick, commands.Ban, commands.Unban, commands.Mute, commands.Unmute)
            ],
            *[(commands.Invite(id=new, room=room, user=user), Ack)] * 2,
            (commands.SetRole(id=new, room=room, user=user, role="moderator"), Ack),
        ]
        return chance.choice(commands_of)

    async def visit(self, name: str) -> None:
        command, until = self.command()
        try:
            answer = await self.visits.carry_out(Identity(User(f"u_{name}", name), guest=False), command, until)
        except ParleyError as error:
            self.codes.add(error.code)
            return
        if isinstance(command, commands.PostMessage):
            assert isinstance(answer, Ack)
            self.answered[f"u_{name}", str(command.id)] = next(i.seq for i in answer.ids if i.id == command.id)

    async def read(self, name: str) -> None:
        identity = self.chance.choice([None, Identity(User(f"u_{name}", name), guest=False)])
        room = self.chance.choice(ROOMS)
        entry = await describe_room(self.chat, room, identity)
        assert entry is None or entry.room == room
        await read_history(self.chat, room, commands.ReadHistory(room=room), identity)

    def act(self, name: str) -> None:
        """Something over a connection."""
        mine = [person for person in self.sessions if person.session.user.name == name]
        if not mine or (len(mine) < 3 and self.chance.random() < 0.2):
            self.sessions.append(account(self.chat, name))
            mine = self.sessions[-1:]
        person, room = self.chance.choice(mine), self.chance.choice(ROOMS)
        match self.chance.choice((*SESSION_COMMANDS, "gone")):
            case "gone":
                person.disconnect()
                self.sessions.remove(person)
            case "quit":
                person.send("leave", room=room, quit=True)
            case "message":
                person.send("message", room=room, content="live", id=self.new_id())
            case kind:
                person.send(kind, room=room)


@pytest.mark.parametrize("seed", range(25))
async def test_in_any_order(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    repository = SlowRepository(chance)
    async with chatting(repository) as chat:
        visits = Visits(chat)
        world = World(chat, visits, chance)
        root = Identity(User("u_root", "root"), guest=False, role="admin")
        for name in PEOPLE:  # so that everybody is known
            command = commands.CreateRoom(id="c", room=f"of {name}")
            await visits.carry_out(Identity(User(f"u_{name}", name), guest=False), command, RoomState)
        running: list[asyncio.Task[None]] = []
        for _ in range(400):
            name = chance.choice(PEOPLE)
            match chance.randrange(10):
                case 0 | 1 | 2 | 3:
                    running.append(asyncio.create_task(world.visit(name)))
                case 4 | 5:
                    running.append(asyncio.create_task(world.read(name)))
                case 6 if running:
                    if chance.random() < 0.2:
                        chance.choice(running).cancel()
                case _:
                    world.act(name)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.02)
        done = await asyncio.gather(*running, return_exceptions=True)
        assert not [one for one in done if one is not None and not isinstance(one, asyncio.CancelledError)]
        for person in world.sessions:
            person.disconnect()
        await passes(2)
        hub = chat.hub
        assert [hub.rooms, hub.ending, hub.people, hub.sessions, len(chat.tasks)] == [{}, {}, {}, set(), 0]
        assert "internal" not in world.codes
        assert "unavailable" not in world.codes  # nobody waits for ever
        assert not [record for record in caplog.records if record.levelname == "ERROR"]
        stored = [
            (write.message.sender_id, write.message.id, write.message.seq)
            for batch in repository.batches
            for write in batch
            if hasattr(write, "message")
        ]
        for sent, seq in world.answered.items():
            assert [one[2] for one in stored if one[:2] == sent] == [seq]
        assert await look_at(chat, "nothing", root) is None
