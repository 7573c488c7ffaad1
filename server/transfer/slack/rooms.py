"""Slack's conversations as rooms."""

import html
import re
from collections.abc import Mapping

from chat.handlers.manage import direct_name
from model.errors import ParleyError
from model.limits import NAME_CHARS, TITLE_CHARS, TOPIC_CHARS
from model.room import RoomKind, RoomRecord, User
from model.text import check_room_name, check_text, check_title, fold_name
from server.transfer.slack.people import People
from server.transfer.slack.shapes import Conversation
from utils.clock import rfc3339
from utils.ids import new_room_id

_KINDS: Mapping[str, RoomKind] = {"channels.json": "public", "groups.json": "private", "mpims.json": "private"}
_DIRECT = "dms.json"
_LATEST = 2**53 - 1
# <https://example.com|text> in a topic, which has no marks here.
_REFERENCE = re.compile(r"<([^<>|\n]{1,1000})(?:\|[^<>\n]{0,1000})?>")


class Place:
    """A room that is made of a conversation.

    Attributes:
        record: the room.
        members: its members, each once.
        owner: the id of the one who made it, if they are a member.
        created_us: Unix microseconds.
    """

    def __init__(self, source: str, conversation: Conversation, people: People, names: "Names") -> None:
        self.conversation = conversation
        self.created_us = min(max(0, round((conversation.created or 0) * 1_000_000)), _LATEST)
        users = dict.fromkeys(people.find(one) for one in conversation.members or ())
        self.members: list[User] = list(users)
        kind = _KINDS.get(source, "private")
        name = conversation.name or conversation.id
        title = ""
        if source == _DIRECT:
            if len(self.members) == 2:
                kind, name = "direct", direct_name(self.members[0].id, self.members[1].id)
            else:  # with oneself, or the other one is gone
                title = f"notes of {self.members[0].name}" if self.members else ""
        elif source == "mpims.json":
            title = ", ".join(user.name for user in self.members)
        if kind == "direct" and not names.is_free(name):
            kind, title = "private", ", ".join(user.name for user in self.members)  # two conversations of the same two
        self.record = RoomRecord(
            room_id=new_room_id(),
            name=names.take(name) if kind == "direct" else names.free(name),
            created_at=rfc3339(self.created_us),
            kind=kind,
            title=_fitting(title, TITLE_CHARS),
            topic=_topic(conversation),
            # What only the members of a workspace could read, no guest shall read here.
            guests="no",
        )
        made_by = people.find(conversation.creator).id if conversation.creator else ""
        alone = self.members[0].id if source == _DIRECT and len(self.members) == 1 else made_by
        self.owner = alone if kind != "direct" and any(user.id == alone for user in self.members) else ""


class Names:
    """Gives each room a name of its own, which differs by more than letter case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # of many with one name, each is found at once
        self.changed = 0

    def is_free(self, name: str) -> bool:
        """Whether no room has the name."""
        return fold_name(name) not in self._taken

    def take(self, name: str) -> str:
        """Give the name to a room, and return it."""
        self._taken.add(fold_name(name))
        return name

    def free(self, name: str) -> str:
        """Return the name, or one like it that is free and allowed."""
        try:
            clean = check_room_name(name, "name")
        except ParleyError:
            clean = "".join(char for char in name if char.isascii() and (char.isalnum() or char in "-_"))[:NAME_CHARS]
        self.changed += clean != name or not self.is_free(clean)
        if clean and self.is_free(clean):
            return self.take(clean)
        number = self._numbers.get(clean, 2)
        while not self.is_free(other := f"{clean[: NAME_CHARS - 8] or 'room'}-{number}"):
            number += 1
        self._numbers[clean] = number + 1
        return self.take(other)


def _topic(conversation: Conversation) -> str:
    for text in (conversation.topic, conversation.purpose):
        if text is not None and text.value and (topic := _clean_topic(text.value)):
            return topic
    return ""


def _clean_topic(text: str) -> str:
    try:
        return check_text(html.unescape(_REFERENCE.sub(r"\1", text))[:TOPIC_CHARS], "topic", TOPIC_CHARS)
    except ParleyError:
        return ""


def _fitting(title: str, most: int) -> str:
    try:
        return check_title(title if len(title) <= most else f"{title[: most - 3]}...", "title", most)
    except ParleyError:
        return ""
