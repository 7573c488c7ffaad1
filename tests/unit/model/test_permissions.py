"""The table of permissions, written out a second time, so that a change to it is deliberate."""

from itertools import product

import pytest

from model.permissions import LEAST, RANK, Action, Standing, may, outranks, standing_in
from model.room import FOREVER, Member, Role, RoomKind, RoomRecord, User

ANN = User("u_ann", "ann")
NOBODY = "stranger"
READ = {"SEE"}
MARK = READ | {"MARK_READ"}
TALK = MARK | {"POST", "EDIT", "DELETE_OWN", "REACT", "TYPE"}
MODERATE = TALK | {
    "DELETE_ANY", "SEE_DELETED", "PIN", "INVITE", "KICK", "BAN", "MUTE", "DESCRIBE", "DELETE_ROOM", "EXPORT",
}  # fmt: skip
EVERYTHING = MODERATE | {"SET_ROLE", "SECURE"}
ALLOWED: dict[Standing, set[str]] = {
    "stranger": set(),
    "outsider": READ,
    "readonly": MARK,
    "member": TALK,
    "moderator": MODERATE,
    "owner": EVERYTHING,
    "admin": EVERYTHING,
}


def test_every_action_is_in_the_table() -> None:
    assert set(LEAST) == set(Action)
    assert {action.name for action in Action} == EVERYTHING


@pytest.mark.parametrize(("standing", "action"), list(product(RANK, Action)), ids=lambda x: getattr(x, "name", x))
def test_each_role_may_do_what_the_table_says(standing: Standing, action: Action) -> None:
    assert may(standing, action) == (action.name in ALLOWED[standing])


@pytest.mark.parametrize(("actor", "target"), list(product(RANK, RANK)))
def test_moderation_requires_a_higher_role(actor: Standing, target: Standing) -> None:
    assert outranks(actor, target) == (RANK[actor] > RANK[target] or actor == target == "owner")


def standing(
    kind: RoomKind = "public",
    row: Member | None = None,
    account: str = "user",
    inside: Role | None = None,
    deleted: str | None = None,
) -> Standing:
    room = RoomRecord(1, "r", "t", kind, deleted_at=deleted)
    return standing_in(room, row, account_role=account, inside=inside, now_us=1000)


ROLES: list[Role] = ["owner", "moderator", "member", "readonly"]
KINDS: list[RoomKind] = ["ephemeral", "public", "private", "direct"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("account", ["guest", "user", "organizer", "admin", "bot"])
def test_a_deleted_room_does_not_exist_for_any_user(kind: RoomKind, account: str) -> None:
    assert standing(kind, Member(ANN, "owner"), account, "member", deleted="t") == NOBODY


@pytest.mark.parametrize("account", ["guest", "user", "organizer", "admin", "bot"])
def test_a_direct_room_admits_only_its_two_users(account: str) -> None:
    assert standing("direct", None, account, "member") == NOBODY
    assert standing("direct", Member(ANN, "member"), account) == "member"


@pytest.mark.parametrize("row", [None, *(Member(User("w_7", "ann"), role) for role in ROLES)])
def test_a_claimed_id_has_no_access_to_closed_rooms(row: Member | None) -> None:
    for kind in KINDS:
        closed = kind in ("private", "direct")
        assert (standing(kind, row, "claimed", "member") == NOBODY) == closed


@pytest.mark.parametrize("kind", ["ephemeral", "public", "private"])
@pytest.mark.parametrize("role", ROLES)
def test_a_member_has_the_role_they_were_given(kind: RoomKind, role: Role) -> None:
    assert standing(kind, Member(ANN, role), inside="member") == role
    assert standing(kind, Member(ANN, role), "organizer") == ("owner" if role == "owner" else "moderator")
    assert standing(kind, Member(ANN, role, banned_until=FOREVER), "admin") == "admin"


@pytest.mark.parametrize(("kind", "outside"), [("ephemeral", "outsider"), ("public", "outsider"), ("private", NOBODY)])
def test_a_user_without_a_role_is_an_outsider(kind: RoomKind, outside: Standing) -> None:
    follower = Member(ANN, read_seq=5)
    for row in (None, follower):
        assert standing(kind, row) == outside
        assert standing(kind, row, inside="readonly") == (NOBODY if kind == "private" else "readonly")
        assert standing(kind, row, "organizer") == (NOBODY if kind == "private" else "moderator")
        assert standing(kind, row, "admin") == "admin"


@pytest.mark.parametrize("account", ["guest", "user", "organizer", "bot"])
def test_a_ban_holds_until_its_end(account: str) -> None:
    kept_out = Member(ANN, banned_until=1001)
    assert standing("public", kept_out, account, "member") == NOBODY
    assert standing("private", Member(ANN, "owner", banned_until=1001), account) == NOBODY
    over = Member(ANN, banned_until=1000)
    assert standing("public", over, account, "member") == ("moderator" if account == "organizer" else "member")
