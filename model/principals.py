"""Ids of principals: guests' are minted by the server, the others come from outside and get a prefix of their own.

So no account, and nobody who merely claims an id, can ever be taken for somebody of another kind.
"""

from __future__ import annotations

from model.errors import ParleyError
from model.limits import ID_CHARS
from model.text import check_name
from utils.unicode import normalize

GUEST = "g_"
ACCOUNT = "u_"
CLAIMED = "w_"
CLAIMED_ROLE = "claimed"
"""The account role of a principal that a client only claims: it enters no private and no direct room."""


def principal_id(prefix: str, outer_id: str, field: str) -> str:
    """The principal behind an id of the application (`ACCOUNT`), or one that a client only claims (`CLAIMED`).

    An id is taken as it is or not at all: two ids must not differ by what cannot be seen.

    Raises:
        ParleyError: ``bad_field`` naming ``field``: not 1 to 64 printable characters, or one that
            `model.text.check_name` refuses, drops or takes for another space.
    """
    if not (0 < len(outer_id) <= ID_CHARS and outer_id.isprintable()):
        raise ParleyError("bad_field", f"{field} must have 1 to {ID_CHARS} printable characters", field=field)
    if check_name(outer_id, field) != normalize("NFC", outer_id):
        raise ParleyError("bad_field", f"{field} has invisible spaces or joiners", field=field)
    return prefix + outer_id


def shown_id(principal: str, kind: str) -> str:
    """A principal's id where those of one ``kind`` are at home: theirs as they know it themselves, others in full.

    Also one in full that would look like another kind's, so that no two principals ever look the same.
    """
    own = principal.removeprefix(kind)
    return principal if own.startswith((GUEST, ACCOUNT, CLAIMED)) else own
