"""Slack's users as users of Parley."""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from model.errors import ParleyError
from model.principals import ACCOUNT, APPLICATION, BOT, principal_id
from model.room import User
from model.text import check_user_name
from server.transfer.archive import ArchiveError
from server.transfer.slack.shapes import Profile, SlackMessage, SlackUser

_FILE_BYTES = 16 << 20
_SLACKBOT = "USLACKBOT"


class People:
    """The users by Slack's ids, with those that only messages name.

    Attributes:
        placed: how many have an id from ``ids``.
        active: the users of the application whom Slack has not deactivated.

    A user becomes the account made here (``a_...``) that ``ids`` gives, or a user of the application (``u_...``), under
    the id that it gives or else Slack's own. Bots become bots (``b_...``), as which nobody can sign in.

    Args:
        users: those of the export.
        ids: ids of the application, or of accounts, by Slack's id, or e-mail address in lower case.

    Raises:
        ArchiveError: two users would have the same id.
    """

    def __init__(self, users: Iterable[SlackUser], ids: Mapping[str, str]) -> None:
        self._users: dict[str, User] = {}
        self.placed = 0
        self.active: list[User] = []
        taken: dict[str, str] = {}
        for user in users:
            profile = user.profile or Profile()
            email = (profile.email or "").lower()
            given = ids.get(user.id) or ids.get(email)
            bot = bool(user.is_bot) or user.id == _SLACKBOT
            if given is not None and given.startswith(ACCOUNT):
                own = self._id(ACCOUNT, given.removeprefix(ACCOUNT))
            else:
                own = self._id(BOT if bot and given is None else APPLICATION, given or user.id)
            if own in taken:
                raise ArchiveError(f"the users {taken[own]} and {user.id[:40]} would have the same id, {own}")
            taken[own] = user.id[:40]
            self.placed += given is not None
            names = (profile.display_name, profile.real_name, user.real_name, user.name, user.id)
            made = self._users[user.id] = User(own, _first_name(names))
            if own.startswith(APPLICATION) and not user.deleted:
                self.active.append(made)

    def __len__(self) -> int:
        return len(self._users)

    def named(self, slack_id: str) -> str:
        """Return the display name of a user."""
        return self.find(slack_id).name

    def find(self, slack_id: str) -> User:
        """Return the user with an id; one whom the export does not list is called by it."""
        found = self._users.get(slack_id)
        if found is None:
            bot = slack_id == _SLACKBOT
            name = _first_name(("Slackbot" if bot else slack_id,))
            found = self._users[slack_id] = User(self._id(BOT if bot else APPLICATION, slack_id), name)
        return found

    def author(self, message: SlackMessage) -> User | None:
        """Return who wrote a message; None if it does not say."""
        if message.user:
            if message.user not in self._users and message.user_profile is not None:
                profile = message.user_profile  # of somebody from another workspace
                name = _first_name((profile.display_name, profile.real_name, message.user))
                self._users[message.user] = User(self._id(APPLICATION, message.user), name)
            return self.find(message.user)
        if message.bot_id:
            bot = User(self._id(BOT, message.bot_id), _first_name((message.username, message.bot_id)))
            return bot if message.username else self._users.setdefault(message.bot_id, bot)
        return None

    @staticmethod
    def _id(prefix: str, outer: str) -> str:
        try:
            return principal_id(prefix, outer, "id")
        except ParleyError:
            raise ArchiveError(f"a user has the id {outer[:80]!r}, which cannot be one here") from None


def _first_name(names: Iterable[str | None]) -> str:
    """Return the first that can be a name."""
    last = ""
    for name in names:
        last = name or last
        try:
            return check_user_name(name or "", "name")
        except ParleyError:
            continue
    return "".join(char for char in last if char.isascii() and char.isalnum())[:60] or "somebody"


def read_ids(path: Path) -> dict[str, str]:
    """Read the file of ``--users``: lines of Slack's id of a user, or their e-mail address, a comma, and the id that
    they have in the application, or of their account.

    Raises:
        ArchiveError: a line is wrong, or two lines are about the same.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_FILE_BYTES + 1)
    if len(data) > _FILE_BYTES:
        raise ArchiveError(f"{path} has more than {_FILE_BYTES:,} bytes")
    try:
        rows = list(csv.reader(StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArchiveError(f"{path} is not CSV in UTF-8: {error}") from None
    found: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        if not row:
            continue
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise ArchiveError(f"{path}, line {number}: expected a user of Slack, a comma, and an id")
        key = cells[0].lower() if "@" in cells[0] else cells[0]
        if key in found:
            raise ArchiveError(f"{path}, line {number}: {cells[0][:80]} has an id already")
        found[key] = cells[1]
    return found
