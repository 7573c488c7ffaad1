"""A client's view of a room besides its messages: the users present, the members' roles, the read cursors.

Initialized from `joined` and `members`, and maintained by events, as docs/protocol.md says, without further requests.
"""

from collections.abc import Mapping

from model.events import MemberInfo
from model.permissions import RANK, Standing
from tests.support.copies import Copy, Frame
from utils.clock import microseconds

UNKNOWN = "?"
"""The role of a user who entered: `presence` has no roles, only `members` does."""
_RANK: dict[str, int] = {str(standing): rank for standing, rank in RANK.items()}
_KEPT = ("role", "muted_until", "banned_until", "reason", "online", "read")


class View:
    """One device's view of one room.

    Args:
        mine: the device's principal.
        accounts: the roles of all accounts, by principal.

    Attributes:
        inside: between `joined` and `left`, or the end of the connection.
        stay: how often it has entered.
        loads: how often it had to load the history.
        people: the users present.
        members: the known rows, by user id; complete once `listed`.
    """

    def __init__(self, mine: str, accounts: Mapping[str, str]) -> None:
        self.mine = mine
        self._accounts = accounts
        self.copy = Copy()
        self.inside = self.listed = False
        self.stay = self.loads = 0
        self.info: Frame = {}
        self.role = ""
        self.read = 0
        self.people: set[str] = set()
        self.count = 0
        self.members: dict[str, Frame] = {}
        self._spoke: dict[str, int] = {}

    @property
    def settled(self) -> bool:
        """Whether everything that was requested has arrived."""
        return self.inside and self.copy.settled and self.listed

    def leave(self) -> None:
        """Note that the device is no longer in the room."""
        self.inside = self.copy.joined = self.listed = False

    def on_joined(self, frame: Frame, *, resumes: bool) -> bool:
        """Handle a snapshot. Returns whether the history must be loaded: not if the device was in the room already."""
        stayed, self.inside = self.inside, True
        self.stay += not stayed
        if not stayed:
            self._spoke.clear()
        self.info, self.role, self.read = frame["info"], frame["role"], frame.get("read", 0)
        self.people, self.count = {user["id"] for user in frame["members"]}, frame["count"]
        for member in self.members.values():
            member["online"] = member["id"] in self.people
        for user_id in self.people - self.members.keys():
            self.members[user_id] = {"id": user_id, "role": UNKNOWN, "online": True}
        if stayed and not resumes:
            return False
        if not resumes:
            self.copy.forget()
        must_load = self.copy.on_joined(frame)
        self.loads += must_load
        return must_load

    def on_members(self, members: list[Frame]) -> None:
        """Handle the whole list of members."""
        self.members = {member["id"]: dict(member) for member in members}
        self.listed = True

    def on_presence(self, frame: Frame) -> None:
        """Handle `presence`."""
        if frame.get("all"):
            shown = self.people | {user_id for user_id, member in self.members.items() if member.get("online")}
            gone = shown - {user["id"] for user in frame["joined"]}
            frame = frame | {"left": [{"id": user_id} for user_id in gone]}
        for user in frame.get("joined", ()):
            member = self.members.setdefault(user["id"], {"id": user["id"]})
            member["online"] = True
            if "role" not in member:  # a user who enters a persistent room becomes a member
                member["role"] = UNKNOWN
            self.people.add(user["id"])
        for user in frame.get("left", ()):
            member = self.members.setdefault(user["id"], {"id": user["id"]})
            member["online"] = False
            member.setdefault("role", UNKNOWN)  # they may have rejoined in between, and become a member again
            self.people.discard(user["id"])
        self.count = frame["count"]
        assert len(self.people) == self.count, f"{self.people} are here, and should be {self.count}"

    def on_member(self, frame: Frame) -> None:
        """Handle `member`."""
        told = frame["member"]
        before = self.members.get(told["id"], {})
        stays = {key: before[key] for key in ("read", "online") if key in before}
        self.members[told["id"]] = told | stays
        if frame["action"] in ("kick", "ban", "leave"):
            self.members[told["id"]].pop("read", None)
        if told["id"] == self.mine and self.role != "admin" and self.inside:
            self.role = told.get("role") or self.role
            if self._accounts[self.mine] == "organizer" and _RANK[self.role] < _RANK["moderator"]:
                self.role = "moderator"

    def on_room(self, frame: Frame) -> bool:
        """Handle `room`. Returns whether its members must be requested, because it has some from now on."""
        before, self.info = self.info, frame["info"]
        if not self.info.get("slow_mode"):
            self._spoke.clear()
        if before["kind"] == "ephemeral" != self.info["kind"]:
            self.listed, self.read = False, -1
        return not self.listed

    def on_read(self, frame: Frame) -> None:
        """Handle `read`."""
        if frame["user"]["id"] == self.mine:
            self.read = max(self.read, frame["seq"])
        self.members.setdefault(frame["user"]["id"], {"id": frame["user"]["id"], "role": UNKNOWN})["read"] = frame[
            "seq"
        ]

    def shows(self, row: Frame) -> bool:
        """Whether a row is known, apart from the reason of its ban or mute."""
        known = self.members.get(row["id"], {})
        return all(known.get(name) == row[name] for name in row if name not in ("reason", "online"))

    def allows(self, user_id: str, least: Standing, now_us: int, *, talk: bool = False) -> bool:
        """Whether a user has at least the standing ``least``, as far as this view knows; a mute forbids ``talk``."""
        account = self._accounts[user_id]
        member = self.members.get(user_id, {"role": UNKNOWN})
        role: str | None = member.get("role")
        if account == "admin" or not self.listed:
            return True
        if talk and microseconds(member.get("muted_until", "1970-01-01T00:00:00.000000Z")) > now_us:
            return False
        if role is None or role == UNKNOWN or self.info["kind"] == "direct":
            return True
        return max(_RANK[role], _RANK["moderator"] if account == "organizer" else 0) >= _RANK[least]

    def hurries(self, user_id: str, at: int) -> bool:
        """Whether a message at ``at`` microseconds follows the user's previous one sooner than slow mode allows."""
        pause = self.info.get("slow_mode", 0) * 1_000_000
        role = self.members.get(user_id, {}).get("role")
        if not pause or role not in ("member", "readonly") or self._accounts[user_id] in ("admin", "organizer"):
            return False  # or this view cannot tell
        last = self._spoke.get(user_id)
        self._spoke[user_id] = at
        return last is not None and 0 <= at - last < pause - 1000  # a thousandth of a second for rounding

    def differs(self, fresh: "View", now_us: int = 0) -> str:
        """Describe how this view differs from what a new device receives at ``now_us``; "" if it does not."""
        # A cursor of an earlier visit is not compared if the user may have no row.
        unsure = self.read < 0 or (self.info["kind"] == "ephemeral" and not (self.read and fresh.read))
        for name in ("info", "role", "people", "count", *(() if unsure else ("read",))):
            if getattr(self, name) != getattr(fresh, name):
                return f"{name} is {getattr(self, name)}, and should be {getattr(fresh, name)}"
        if wrong := self.copy.differs(fresh.copy):
            return wrong
        for user_id in self.members.keys() | fresh.members.keys():
            ours, theirs = self._row(user_id, now_us), fresh._row(user_id, now_us)
            belongs = ours["role"] not in (None, UNKNOWN) and self.info["kind"] != "ephemeral"
            if user_id not in fresh.members and not belongs and not ours["online"]:
                continue  # banned or muted, and not present
            if ours["role"] == UNKNOWN or (ours["role"] is None and ours["online"]):  # may be a member by now
                ours = theirs | {name: value for name, value in ours.items() if value not in (None, UNKNOWN)}
            if ours["reason"] is None or _RANK[self.role] < _RANK["moderator"]:
                ours["reason"] = theirs[
                    "reason"
                ]  # sent to moderators only, which this user may not have been, or not be now
            if self.info["kind"] == "ephemeral":  # default rows are not compared there
                theirs["read"] = ours["read"] and (theirs["read"] or ours["read"])
                for row in (ours, theirs):
                    row["role"] = None if row["role"] == "member" else row["role"]
            if ours != theirs:
                return f"member {user_id} is {ours}, and should be {theirs}"
        return ""

    def _row(self, user_id: str, now_us: int) -> Frame:
        """Return what is sent about a user: nothing for a user without a row, and no expired bans or mutes."""
        row = {name: self.members.get(user_id, {}).get(name) or None for name in _KEPT}
        for name in ("muted_until", "banned_until"):
            if (until := row[name]) is not None and microseconds(until) <= now_us:
                row[name] = None
        if row["muted_until"] is row["banned_until"] is None:
            row["reason"] = None
        return row


assert set(_KEPT) <= set(MemberInfo.__struct_fields__)
