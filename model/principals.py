"""Ids of principals: the server makes those of guests, accounts and bots; ids from outside get a prefix.

The prefix prevents an account, or a user who merely claims an id, from being mistaken for another kind of user.
"""

from typing import Literal

from model.errors import ParleyError
from model.limits import ID_CHARS
from model.text import check_name
from utils.unicode import normalize

GUEST = "g_"
APPLICATION = "u_"  # an account of the application, which proves it with a token of its own
ACCOUNT = "a_"  # an account made here
BOT = "b_"
CLAIMED = "w_"
KINDS = (GUEST, APPLICATION, ACCOUNT, BOT, CLAIMED)
# The account role of a principal that a client only claims: it has no access to private and direct rooms.
CLAIMED_ROLE = "claimed"

# How a principal is marked: "" for accounts, here and of the application.
Mark = Literal["guest", "claimed", "bot", ""]
_MARKS: dict[str, Mark] = {GUEST: "guest", CLAIMED: "claimed", BOT: "bot"}


def kind_of(principal: str) -> Mark:
    """Return how a principal is marked for other users, by its id."""
    return _MARKS.get(principal[:2], "")


def principal_id(prefix: str, outer_id: str, field: str) -> str:
    """Return the principal of an id from the application (`APPLICATION`), or of one that a client claims (`CLAIMED`).

    An id is used unchanged or refused: two ids must not differ only in invisible characters.

    Raises:
        ParleyError: ``bad_field`` naming ``field``: not 1 to 64 printable characters, or one that
            `model.text.check_name` would refuse or change.
    """
    if not (0 < len(outer_id) <= ID_CHARS and outer_id.isprintable()):
        raise ParleyError("bad_field", f"{field} must have 1 to {ID_CHARS} printable characters", field=field)
    if check_name(outer_id, field) != normalize("NFC", outer_id):
        raise ParleyError("bad_field", f"{field} has invisible spaces or joiners", field=field)
    return prefix + outer_id


def shown_id(principal: str, kind: str) -> str:
    """Return a principal's id as shown in a dialect of one ``kind``: ids of that kind without prefix, others in full.

    An id that would then look like one of another kind is shown in full too, so that no two principals look the same.
    """
    own = principal.removeprefix(kind)
    return principal if own.startswith(KINDS) else own
