"""Roles by actions, in every dialect that has the action: a permitted action works; a forbidden one is refused and
changes nothing; a hidden room answers like a missing one, and none of its events are sent.
"""

import json
from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Dialect, Identity
from chat.queries.history import read_history
from model.account import Scope
from model.commands import ReadHistory
from model.permissions import LEAST, RANK, Action, Standing
from model.room import User
from server.dialects import NATIVE
from tests.support.chatting import BY_PATH, Frame, Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of

STANDINGS: tuple[Standing, ...] = ("stranger", "outsider", "readonly", "member", "moderator", "owner", "admin")
INSIDE = ("readonly", "member", "moderator", "owner", "admin")
SECRET = "xyzzy"

# The native command for each action; `seq` is another user's message, `own` the user's own.
ASKED: dict[Action, tuple[str, dict[str, Any]]] = {
    Action.SEE: ("history", {}),
    Action.MARK_READ: ("read", {"seq": "seq"}),
    Action.POST: ("message", {"content": "hi"}),
    Action.EDIT: ("edit", {"seq": "own", "content": "changed"}),
    Action.DELETE_OWN: ("delete", {"seq": "own"}),
    Action.REACT: ("react", {"seq": "seq", "emoji": "x"}),
    Action.TYPE: ("typing", {}),
    Action.DELETE_ANY: ("delete", {"seq": "seq"}),
    Action.SEE_DELETED: ("history", {"include_deleted": True}),
    Action.PIN: ("pin", {"seq": "seq"}),
    Action.INVITE: ("invite", {"user": "u_zoe"}),
    Action.KICK: ("kick", {"user": "u_low"}),
    Action.BAN: ("ban", {"user": "u_low"}),
    Action.MUTE: ("mute", {"user": "u_low"}),
    Action.DESCRIBE: ("update_room", {"topic": "t"}),
    Action.DELETE_ROOM: ("delete_room", {}),
    Action.SET_ROLE: ("set_role", {"user": "u_low", "role": "member"}),
    Action.SECURE: ("update_room", {"retention_days": 5}),
}
ELSEWHERE = {Action.EXPORT}  # over HTTP only


def test_every_action_is_covered() -> None:
    assert set(ASKED) | ELSEWHERE == set(Action)


class Scene:
    """A room with its owner, a user of the lowest rank, and the user who tries the action in a dialect."""

    def __init__(
        self,
        chat: Chat,
        standing: Standing,
        dialect: Dialect = NATIVE,
        *,
        private: bool = False,
        identity: Identity | None = None,
    ) -> None:
        self.chat, self.standing, self.private = chat, standing, private
        self.founder, self.low = account(chat, "founder"), account(chat, "low")
        account(chat, "zoe")
        role = "admin" if standing == "admin" else "user"
        self.identity = identity or Identity(User("u_try", "try"), guest=False, role=role)
        self.id = self.identity.user.id
        self.dialect = dialect

    async def open(self) -> Person:
        founder = self.founder
        await created(self.chat, founder, "den", private=self.private)
        await ask(founder, "invite", room="den", user="u_low")
        await ask(self.low, "join", room="den")
        await ask(founder, "set_role", room="den", user="u_low", role="readonly")
        founder.say(SECRET, "s", "den")
        await passes(0.1)
        self.seqs = {"seq": founder.acked()["s"]}
        self.device = Person(self.chat, identity=self.identity)
        if self.standing in INSIDE[:-1]:
            await ask(founder, "invite", room="den", user=self.id)
        home = "den" if self.dialect.bound_to_address and self.standing in INSIDE else None
        self.person = Person(self.chat, None, home, dialect=self.dialect, identity=self.identity)
        if self.standing in INSIDE:
            await ask(self.device, "join", room="den")
            if self.identity.scope != "read":
                self.device.say("own", "o", "den")
                await passes(0.1)
                self.seqs["own"] = self.device.acked()["o"]
            if self.standing not in ("admin", "member"):
                await ask(founder, "set_role", room="den", user=self.id, role=self.standing)
            if not home and self.dialect is NATIVE:
                await ask(self.person, "join", room="den")
        elif self.standing == "stranger":
            await ask(founder, "ban", room="den", user=self.id)
        await passes(2)
        return self.person

    def fields(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return {name: self.seqs.get(value, value) if name == "seq" else value for name, value in wanted.items()}

    async def state(self) -> list[Any]:
        """Return everything that an action could change."""
        room = self.chat.parts.hub.rooms.get("den")
        await ask(self.founder, "history", room="den", include_deleted=True)
        page = self.founder.of("history")[-1]["messages"] if room is not None else []
        return [
            page,
            room and room.record,
            room and {**room.members},
            sorted(s.id for s in self.chat.parts.hub.sessions),
        ]


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize("action", ASKED, ids=lambda action: action.name)
@pytest.mark.parametrize("standing", STANDINGS)
async def test_the_native_protocol_follows_the_permission_table(
    chat: Chat, standing: Standing, action: Action, private: bool
) -> None:
    scene = Scene(chat, standing, private=private)
    person = await scene.open()
    command, wanted = ASKED[action]
    scene.seqs.setdefault("own", scene.seqs["seq"])
    before = await scene.state()
    code = await code_of(person, command, room="den", **scene.fields(wanted))
    if standing not in INSIDE:
        assert code == "not_joined"
    elif RANK[standing] >= RANK[LEAST[action]]:
        assert code == ""
        return
    elif action is Action.DELETE_ANY and standing == "member":
        assert code == "not_author"
    else:
        assert code == "forbidden"
    assert await scene.state() == before


async def entering(chat: Chat, identity: Identity, path: str | None, room: str) -> Person:
    """Connect in a dialect, the native one if it is None, and try to enter a room."""
    if path is None:
        person = Person(chat, identity=identity)
        person.send("join", room=room)
        await passes(0.2)
        return person
    person = Person(chat, None, None if path == "/ws" else room, dialect=BY_PATH[path], identity=identity)
    if path == "/ws":
        joining = {"room_id": room, "user_id": identity.user.id, "user_name": "try"}
        chat.receive(person.session, json.dumps({"type": "join", "payload": joining}))
    await passes(0.2)
    return person


MADE_HERE = Identity(User("a_try", "try"), guest=False, role="user", login="l_1", version=1)
CAPS: dict[Scope, Standing] = {"read": "readonly", "write": "member", "moderate": "moderator"}


def bot(scope: Scope) -> Identity:
    return Identity(User("b_try", "try"), guest=False, role="bot", scope=scope)


@pytest.mark.parametrize("action", ASKED, ids=lambda action: action.name)
@pytest.mark.parametrize("standing", INSIDE[:-1])
async def test_an_account_made_here_follows_the_table_as_others_do(
    chat: Chat, standing: Standing, action: Action
) -> None:
    scene = Scene(chat, standing, private=True, identity=MADE_HERE)
    person = await scene.open()
    command, wanted = ASKED[action]
    before = await scene.state()
    code = await code_of(person, command, room="den", **scene.fields(wanted))
    if RANK[standing] >= RANK[LEAST[action]]:
        assert code == ""
    else:
        assert code == ("not_author" if action is Action.DELETE_ANY and standing == "member" else "forbidden")
        assert await scene.state() == before


@pytest.mark.parametrize("scope", CAPS)
@pytest.mark.parametrize("action", ASKED, ids=lambda action: action.name)
@pytest.mark.parametrize("standing", INSIDE[:-1])
async def test_a_bot_does_what_its_key_and_its_role_allow(
    chat: Chat, standing: Standing, action: Action, scope: Scope
) -> None:
    scene = Scene(chat, standing, private=True, identity=bot(scope))
    person = await scene.open()
    command, wanted = ASKED[action]
    scene.seqs.setdefault("own", scene.seqs["seq"])
    before = await scene.state()
    code = await code_of(person, command, room="den", **scene.fields(wanted))
    least = min(RANK[standing], RANK[CAPS[scope]])
    if least >= RANK[LEAST[action]]:
        assert code == ""
    else:
        of_others = action is Action.DELETE_ANY and least == RANK["member"]
        assert code == ("not_author" if of_others else "forbidden")
        assert await scene.state() == before


@pytest.mark.parametrize("scope", CAPS)
async def test_a_bot_whose_key_only_reads_writes_nowhere(chat: Chat, scope: Scope) -> None:
    """Also not in a room where all users may post, nor in one that it would make."""
    reads = Person(chat, identity=bot(scope))
    founder = account(chat, "founder")
    await created(chat, founder, "hall")
    assert await code_of(reads, "join", room="hall") == ""
    expected = "forbidden" if scope == "read" else ""
    for asked in (
        {"type": "message", "room": "hall", "content": "x"},
        {"type": "create_room", "room": "mine"},
        {"type": "direct", "user": "u_founder"},
    ):
        assert await code_of(reads, **asked) == expected
    assert await code_of(reads, "announce", content="x") == "forbidden"
    assert await code_of(founder, "message", room="hall", content="x") == ""


@pytest.mark.parametrize("scope", CAPS)
@pytest.mark.parametrize("path", [None, "/chat", "/ws", "/api/chat"])
async def test_a_key_to_read_makes_no_room_by_entering_it(chat: Chat, path: str | None, scope: Scope) -> None:
    """In no dialect; it enters a room that is there, also one that exists only while others are in it."""
    rooms, ann = chat.parts.hub.rooms, account(chat, "ann")
    await entering(chat, bot(scope), path, "new")
    assert ("new" in rooms) == (scope != "read" and path != "/ws")  # joining in /ws creates none
    assert await code_of(ann, "join", room="hers") == ""  # an ephemeral room, of which nothing is stored
    await entering(chat, bot(scope), path, "hers")
    assert "b_try" in rooms["hers"].presence.people


async def test_what_a_key_to_read_changes_is_the_bots_own(chat: Chat) -> None:
    """It is a member as other users are, and keeps a cursor; it neither quits nor takes part."""
    founder, reads = account(chat, "founder"), Person(chat, identity=bot("read"))
    await created(chat, founder, "den", private=True)
    assert await code_of(reads, "join", room="den") == await code_of(reads, "join", room="none") == "no_such_room"
    await ask(founder, "invite", room="den", user="b_try")
    assert await code_of(reads, "join", room="den") == ""
    founder.say("hello", "h", "den")
    await passes(1)
    reads.send("read", room="den", seq=founder.acked()["h"])
    await passes(1)
    row = chat.parts.hub.rooms["den"].members["b_try"]
    assert (row.role, row.read_seq) == ("member", founder.acked()["h"])
    for command, wanted in (("leave", {"quit": True}), ("typing", {}), ("decline", {})):
        assert await code_of(reads, command, room="den", **wanted) == "forbidden"


@pytest.mark.parametrize("identity", [MADE_HERE, bot("moderate"), bot("read")], ids=["account", "write", "read"])
@pytest.mark.parametrize("path", ["/chat", "/ws", "/api/chat"])
async def test_accounts_and_bots_are_kept_out_in_every_dialect(chat: Chat, path: str, identity: Identity) -> None:
    scene = Scene(chat, "stranger", private=True, identity=identity)
    await scene.open()
    told = []
    for room in ("den", "none"):
        person = await entering(chat, identity, path, room)
        told.append([{**frame, "timestamp": "", "room": ""} for frame in person.frames])
        if room == "den":
            assert not person.session.rooms
    assert SECRET not in str(told)
    if path == "/ws":
        assert told[0] == told[1]


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize("standing", STANDINGS)
async def test_joining_reading_and_search_follow_the_permission_table(
    chat: Chat, standing: Standing, private: bool
) -> None:
    scene = Scene(chat, standing, private=private)
    person = await scene.open()
    sees = standing in INSIDE or (standing == "outsider" and not private)
    page = await read_history(chat.parts, "den", ReadHistory(room="den"), scene.identity)
    assert (page is not None and SECRET in str(page.messages)) == sees
    unknown = await read_history(chat.parts, "unknown", ReadHistory(room="unknown"), scene.identity)
    if not sees:
        assert page is unknown is None
    await ask(person, "search", q=SECRET)
    found = person.last("search")["messages"]
    assert bool(found) == (standing in INSIDE)
    await ask(person, "rooms", mine=True)
    assert ("den" in str(person.last("rooms"))) == (standing in INSIDE)
    await ask(person, "rooms")
    assert ("den" in str(person.last("rooms"))) == (not private)
    if standing not in INSIDE:
        code = await code_of(person, "join", room="den", create=False)
        expected = "" if sees else ("banned" if standing == "stranger" and not private else "no_such_room")
        assert code == expected
        if private:
            refused = [frame for frame in person.of("error") if frame.get("room") == "den"][-1]
            await code_of(person, "join", room="unknown", create=False)
            other = person.of("error")[-1]
            assert {**refused, "room": ""} == {**other, "room": ""}


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize("standing", ["stranger", "outsider"])
@pytest.mark.parametrize("path", [None, "/chat", "/ws", "/api/chat"])
async def test_events_of_a_room_reach_only_its_sessions(
    chat: Chat, standing: Standing, private: bool, path: str | None
) -> None:
    dialect = NATIVE if path is None else BY_PATH[path]
    scene = Scene(chat, standing, dialect, private=private)
    person = await scene.open()
    person.forget()
    scene.founder.say(f"{SECRET} again", "a", "den")
    scene.founder.send("update_room", room="den", topic=SECRET)
    await ask(scene.low, "typing", room="den")
    await passes(3)
    assert SECRET not in str(person.frames)
    assert "den" not in str(person.frames)


def says(dialect: str, seq: int) -> dict[Action, str]:
    """Return the actions that a dialect has."""
    if dialect == "/chat":
        return {Action.POST: "hi"}
    if dialect == "/ws":
        return {Action.POST: json.dumps({"type": "message", "payload": {"room_id": "den", "message": "hi"}})}
    return {
        Action.POST: json.dumps({"event": "message", "content": "hi"}),
        Action.TYPE: json.dumps({"event": "typing"}),
        Action.EDIT: json.dumps({"event": "edit", "id": seq, "content": "changed"}),
        Action.DELETE_OWN: json.dumps({"event": "delete", "id": seq}),
    }


@pytest.mark.parametrize("path", ["/chat", "/ws", "/api/chat"])
@pytest.mark.parametrize("action", [Action.POST, Action.TYPE, Action.EDIT, Action.DELETE_OWN], ids=lambda a: a.name)
@pytest.mark.parametrize("standing", INSIDE)
async def test_the_other_dialects_follow_the_permission_table(
    chat: Chat, standing: Standing, action: Action, path: str
) -> None:
    scene = Scene(chat, standing, BY_PATH[path])
    person = await scene.open()
    text = says(path, scene.seqs["own"]).get(action)
    if text is None:
        return
    if path == "/ws":
        joining = {"room_id": "den", "user_id": "try", "user_name": "try"}
        chat.receive(person.session, json.dumps({"type": "join", "payload": joining}))
        await passes(0.1)
    before = await scene.state()
    person.forget()
    chat.receive(person.session, text)
    await passes(0.2)
    refused = "your role does not allow this" in str(person.frames)
    assert refused == (RANK[standing] < RANK[LEAST[action]])
    if refused:
        assert await scene.state() == before


async def test_a_stranger_cannot_join_in_any_dialect(chat: Chat, repository: FaultyRepository) -> None:
    scene = Scene(chat, "stranger", private=True)
    await scene.open()
    told: list[list[Frame]] = []
    for path, dialect in BY_PATH.items():
        person = Person(chat, None, "den", dialect=dialect, identity=scene.identity)
        if path == "/ws":
            joining = {"room_id": "den", "user_id": "try", "user_name": "try"}
            chat.receive(person.session, json.dumps({"type": "join", "payload": joining}))
        await passes(0.2)
        assert not person.session.rooms
        told.append(person.frames)
    assert "this room does not exist, or you may not enter it" in str(told)
    assert SECRET not in str(told)
    assert id_of(scene.device) == "u_try"
