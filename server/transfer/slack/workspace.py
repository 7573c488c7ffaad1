"""A workspace of Slack as the records of an import. It is read twice: to check and count it, and to store it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from model.account import AddedUser
from model.room import Member, Role
from server.transfer.slack.archive import SlackArchive
from server.transfer.slack.messages import Converter
from server.transfer.slack.people import People
from server.transfer.slack.rooms import Names, Place
from server.transfer.slack.text import Words
from storage.ports.transfer import Added, Record, Room, StoredMember, StoredMessage


class Workspace:
    """An export of Slack, checked as a whole.

    Attributes:
        people: its users.
        lost: what is not taken over, in words, and how often.

    Args:
        path: the zip file.
        ids: ids of users in the application, see `People`.
        most: characters of a message.
        now_us: Unix microseconds.

    Raises:
        ArchiveError: something in it is wrong; nothing of it is to be imported then.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, ids: Mapping[str, str], *, most: int, now_us: int) -> None:
        self._most = most
        self._now_us = now_us
        self._archive = SlackArchive(path)
        try:
            self.people = People(self._archive.users(), ids)
            names = Names()
            found = self._archive.conversations()
            self._places = [Place(source, one, self.people, names) for source, one in found]
            self._words = Words(self.people.named, self._names_of_rooms().get)
        except BaseException:
            self.close()
            raise
        self._ends: dict[int, int] = {}
        self._renamed = names.changed
        self.lost: Counter[str] = Counter()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _names_of_rooms(self) -> dict[str, str]:
        return {place.conversation.id: place.record.name for place in self._places}

    def check(self, counted: Callable[[Sequence[Record]], None] = lambda _: None) -> Counter[str]:
        """Read all of it, and return what there will be, by kind.

        ``counted`` is called with each message.
        """
        converter = self._converter()
        counts = Counter(
            user=len(self.people.active),
            room=len(self._places),
            member=sum(len(place.members) for place in self._places),
        )
        for message in self._messages(converter):
            self._ends[message.room_id] = max(message.seq, self._ends.get(message.room_id, 0))
            counts["message"] += 1
            counted([message])
        self.lost = +converter.lost  # without those that are 0
        archived = sum(bool(place.conversation.is_archived) for place in self._places)
        ownerless = sum(not place.owner and place.record.kind != "direct" for place in self._places)
        for what, count in (
            ("names of rooms, which had to be changed", self._renamed),
            ("archived channels, which become open ones", archived),
            ("rooms without an owner, as who made them is no member", ownerless),
        ):
            if count:
                self.lost[what] = count
        return counts

    def records(self) -> Iterator[tuple[Record, int]]:
        """Yield everything, after `check`, each record with its weight."""
        for user in self.people.active:
            yield Added(AddedUser(user.id, user.name, self._now_us, self._now_us)), 0
        for place in self._places:
            yield Room(place.record), 0
        for place in self._places:
            yield from ((StoredMember(place.record.room_id, row), 0) for row in self._members(place))
        for message in self._messages(self._converter()):
            yield message, len(message.content)

    def _members(self, place: Place) -> Iterator[Member]:
        """Yield the rows of a room. Slack does not say what its users have read: it counts as all."""
        read = self._ends.get(place.record.room_id, 0)
        for user in place.members:
            role: Role = "owner" if user.id == place.owner else "member"
            yield Member(user, role=role, joined_at=place.created_us, read_seq=read)

    def _messages(self, converter: Converter) -> Iterator[StoredMessage]:
        for place in self._places:
            seen: set[int] = set()
            for day in self._archive.days(place.conversation):
                yield from converter.messages(place, day, self._archive.messages(day), seen)

    def _converter(self) -> Converter:
        return Converter(self.people, self._words, most=self._most, now_us=self._now_us)
