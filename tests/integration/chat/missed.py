"""Everything that may happen in a room while a user is away, done by real clients of a real server."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from tests.support.copies import Frame
from tests.support.following import Follower
from tests.support.views import View


class Cast:
    """Users with accounts. In every room of a case eve is the owner, ann, bob and fay are members, gus is not.

    Fay is the one who misses the changes; the tests control her connection.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.eve, self.ann, self.bob, self.gus, self.fay = (
            Follower(url, name) for name in ("eve", "ann", "bob", "gus", "fay")
        )
        self._there = (self.eve, self.ann, self.bob, self.gus)

    async def __aenter__(self) -> Self:
        await self.connect()
        await self.fay.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        for person in (*self._there, self.fay):
            await person.client.close()

    async def connect(self) -> None:
        """Connect or reconnect everyone except fay."""
        for person in self._there:
            await person.connect()


class Scene(NamedTuple):
    """A room with messages, as it was when fay lost her connection.

    Attributes:
        plain: a message of ann's that bob has reacted to.
        reply: bob's reply to it, pinned by eve.
        other: another one of ann's.
    """

    cast: Cast
    room: str
    plain: int
    reply: int
    other: int


async def staged(cast: Cast, room: str) -> Scene:
    """Create the room with all of them in it; fay is up to date."""
    await cast.eve.do("create_room", room=room, title="Before")
    await cast.eve.enter(room)
    for person in (cast.ann, cast.bob):
        await person.enter(room)
    plain = await cast.ann.say(room, "hello @fay")
    await cast.bob.do("react", room=room, seq=plain, emoji="+1")
    reply = await cast.bob.say(room, "hello to you", reply_to=plain)
    await cast.eve.do("pin", room=room, seq=reply)
    other = await cast.ann.say(room, "and another thing")
    assert (await cast.fay.enter(room))["type"] == "joined"
    return Scene(cast, room, plain, reply, other)


# --- messages --------------------------------------------------------------------------------------------------------


async def nothing(scene: Scene) -> None:
    pass


async def post(scene: Scene) -> None:
    await scene.cast.ann.say(scene.room, "one more")
    await scene.cast.eve.say(scene.room, "and one more, @bob")


async def edit(scene: Scene) -> None:
    """Change a message that is quoted in a reply."""
    await scene.cast.ann.do("edit", room=scene.room, seq=scene.plain, content="good morning @gus")


async def delete(scene: Scene) -> None:
    """Delete a message that is quoted in a reply."""
    await scene.cast.ann.do("delete", room=scene.room, seq=scene.plain)


async def delete_another_s(scene: Scene) -> None:
    await scene.cast.eve.do("delete", room=scene.room, seq=scene.reply)


async def react(scene: Scene) -> None:
    for person, emoji in ((scene.cast.ann, "+1"), (scene.cast.eve, ":wave:"), (scene.cast.bob, "\u2764")):
        await person.do("react", room=scene.room, seq=scene.plain, emoji=emoji)


async def react_no_more(scene: Scene) -> None:
    await scene.cast.bob.do("react", room=scene.room, seq=scene.plain, emoji="+1", on=False)


async def pin(scene: Scene) -> None:
    await scene.cast.eve.do("pin", room=scene.room, seq=scene.other)


async def unpin(scene: Scene) -> None:
    await scene.cast.eve.do("pin", room=scene.room, seq=scene.reply, on=False)


async def reply(scene: Scene) -> None:
    """Reply to a message that fay has seen, and to one that she has not."""
    unseen = await scene.cast.ann.say(scene.room, "while nobody looks")
    await scene.cast.bob.say(scene.room, "I do", reply_to=unseen)
    await scene.cast.bob.say(scene.room, "no, really", reply_to=scene.other)


async def everything(scene: Scene) -> None:
    """Change one message in every way: it arrives once in its final state. Delete another before fay has seen it."""
    unseen = await scene.cast.ann.say(scene.room, "first")
    await scene.cast.ann.do("edit", room=scene.room, seq=unseen, content="second")
    await scene.cast.bob.do("react", room=scene.room, seq=unseen, emoji="+1")
    await scene.cast.eve.do("pin", room=scene.room, seq=unseen)
    answer = await scene.cast.bob.say(scene.room, "to the second", reply_to=unseen)
    await scene.cast.ann.do("edit", room=scene.room, seq=unseen, content="third")
    await scene.cast.eve.do("pin", room=scene.room, seq=unseen, on=False)
    await scene.cast.bob.do("edit", room=scene.room, seq=answer, content="to the third")
    gone = await scene.cast.bob.say(scene.room, "a secret")
    await scene.cast.bob.do("delete", room=scene.room, seq=gone)
    await scene.cast.ann.do("edit", room=scene.room, seq=scene.other, content="another thing")


# --- the room --------------------------------------------------------------------------------------------------------


async def update_room(scene: Scene) -> None:
    changes = {"title": "After", "topic": "what comes next", "slow_mode": 7, "retention_days": 30}
    await scene.cast.eve.do("update_room", room=scene.room, **changes)


async def close_room(scene: Scene) -> None:
    await scene.cast.eve.do("update_room", room=scene.room, private=True, title="")


async def delete_room(scene: Scene) -> None:
    await scene.cast.eve.do("delete_room", room=scene.room)


async def make_another(scene: Scene) -> None:
    """Delete the room and create another with the same name and its own messages."""
    await delete_room(scene)
    await scene.cast.gus.do("create_room", room=scene.room, title="Another")
    await scene.cast.gus.say(scene.room, "new")
    await scene.cast.ann.enter(scene.room)
    await scene.cast.ann.say(scene.room, "all new")


async def make_another_private(scene: Scene) -> None:
    await delete_room(scene)
    await scene.cast.gus.do("create_room", room=scene.room, private=True)
    await scene.cast.gus.say(scene.room, "ours")


# --- users -----------------------------------------------------------------------------------------------------------


async def set_role(scene: Scene) -> None:
    await scene.cast.eve.do("set_role", room=scene.room, user="u_ann", role="moderator")
    await scene.cast.eve.do("set_role", room=scene.room, user="u_bob", role="readonly")


async def set_one_s_own_role(scene: Scene) -> None:
    await scene.cast.eve.do("set_role", room=scene.room, user="u_fay", role="moderator")


async def mute(scene: Scene) -> None:
    await scene.cast.eve.do("mute", room=scene.room, user="u_ann", seconds=3600, reason="one hour")
    await scene.cast.eve.do("mute", room=scene.room, user="u_fay", reason="for good")


async def kick(scene: Scene) -> None:
    await scene.cast.eve.do("kick", room=scene.room, user="u_ann", reason="not now")


async def ban(scene: Scene) -> None:
    await scene.cast.eve.do("ban", room=scene.room, user="u_bob", seconds=3600, reason="spam")


async def come(scene: Scene) -> None:
    await scene.cast.gus.enter(scene.room)


async def invite(scene: Scene) -> None:
    await scene.cast.eve.do("invite", room=scene.room, user="u_gus")


async def leave(scene: Scene) -> None:
    await scene.cast.bob.do("leave", room=scene.room)


async def quit_room(scene: Scene) -> None:
    await scene.cast.ann.do("leave", room=scene.room, quit=True)


async def be_kicked(scene: Scene) -> None:
    """Kick fay from a room that she may rejoin."""
    await scene.cast.eve.do("set_role", room=scene.room, user="u_fay", role="moderator")
    await scene.cast.eve.do("kick", room=scene.room, user="u_fay")
    await post(scene)


async def be_kicked_for_good(scene: Scene) -> None:
    await close_room(scene)
    await scene.cast.eve.do("kick", room=scene.room, user="u_fay")


async def be_banned(scene: Scene) -> None:
    await scene.cast.eve.do("ban", room=scene.room, user="u_fay")


# --- the expected results --------------------------------------------------------------------------------------------


def states(view: View) -> list[Frame]:
    """Return the messages, oldest first."""
    return [view.copy.states[seq] for seq in sorted(view.copy.states)]


def said(view: View) -> list[str]:
    """Return their texts."""
    return [state["content"] for state in states(view)]


def of(view: View, seq: int, name: str) -> Any:
    """Return a field of a message."""
    return view.copy.states[seq].get(name)


def roles(view: View) -> dict[str, str | None]:
    """Return the roles by the part of the id after `u_`."""
    return {user_id[2:]: member.get("role") for user_id, member in view.members.items()}


def here(view: View) -> set[str]:
    """Return who is present, by the same part."""
    assert len(view.people) == view.count
    return {user_id[2:] for user_id in view.people}


Do = Callable[[Scene], Awaitable[None]]
Holds = Callable[[View, Scene], bool]

MESSAGES: dict[Do, Holds] = {
    nothing: lambda view, at: said(view) == ["hello @fay", "hello to you", "and another thing"],
    post: lambda view, at: said(view)[3:] == ["one more", "and one more, @bob"],
    edit: lambda view, at: said(view)[0] == of(view, at.reply, "reply_to")["content"] == "good morning @gus",
    delete: lambda view, at: at.plain not in view.copy.states and "content" not in of(view, at.reply, "reply_to"),
    delete_another_s: lambda view, at: sorted(view.copy.states) == [at.plain, at.other],
    react: lambda view, at: (
        of(view, at.plain, "reactions") == {"+1": ["u_bob", "u_ann"], ":wave:": ["u_eve"], "\u2764\ufe0f": ["u_bob"]}
    ),
    react_no_more: lambda view, at: of(view, at.plain, "reactions") is None,
    pin: lambda view, at: of(view, at.other, "pinned_by") == of(view, at.reply, "pinned_by") == "u_eve",
    unpin: lambda view, at: of(view, at.reply, "pinned_at") is of(view, at.reply, "pinned_by") is None,
    reply: lambda view, at: (
        [state["reply_to"]["content"] for state in states(view) if "reply_to" in state]
        == ["hello @fay", "while nobody looks", "and another thing"]
    ),
    everything: lambda view, at: (
        said(view)[2:] == ["another thing", "third", "to the third"]
        and [state.get("pinned_by") for state in states(view)] == [None, "u_eve", None, None, None]
        and states(view)[3].get("reactions") == {"+1": ["u_bob"]}
    ),
}
"""What is done to messages, and what a view holds afterwards."""

ROOMS: dict[Do, Holds] = {
    update_room: lambda view, at: (
        view.info
        == {"kind": "public", "title": "After", "topic": "what comes next", "slow_mode": 7, "retention_days": 30}
    ),
    close_room: lambda view, at: view.info == {"kind": "private"},
    set_role: lambda view, at: roles(view) == {"eve": "owner", "ann": "moderator", "bob": "readonly", "fay": "member"},
    set_one_s_own_role: lambda view, at: view.role == roles(view)["fay"] == "moderator",
    mute: lambda view, at: (
        {user: row.get("reason") for user, row in view.members.items() if "muted_until" in row}
        == {"u_ann": None, "u_fay": "for good"}  # only moderators and the user concerned see reasons
    ),
    kick: lambda view, at: "ann" not in here(view) | roles(view).keys(),
    ban: lambda view, at: "bob" not in here(view) | roles(view).keys(),
    come: lambda view, at: "gus" in here(view) and roles(view)["gus"] == "member",
    invite: lambda view, at: "gus" not in view.members or roles(view)["gus"] is None,
    leave: lambda view, at: "bob" not in here(view) and roles(view)["bob"] == "member",
    quit_room: lambda view, at: "ann" not in here(view) | roles(view).keys(),
    be_kicked: lambda view, at: view.role == roles(view)["fay"] == "member" and len(view.copy.states) == 5,
    make_another: lambda view, at: (
        said(view) == ["new", "all new"] and view.info["title"] == "Another" and here(view) == {"gus", "ann", "fay"}
    ),
}
"""The same for what is done to the room and to people."""

KEPT_OUT: dict[Do, str] = {
    delete_room: "no_such_room",
    make_another_private: "no_such_room",
    be_kicked_for_good: "no_such_room",
    be_banned: "banned",
}
"""After these there is no way back; the code of the refusal."""


def wrong_with(do: Do, scene: Scene, view: View) -> str:
    """Return what differs from the expected result; "" if nothing does."""
    if {**MESSAGES, **ROOMS}[do](view, scene):
        return ""
    return f"{do.__name__} left {view.copy.states if do in MESSAGES else (view.info, view.members)}"
