"""Ids of principals: the server mints those of guests; ids from outside get a prefix.

The prefix prevents an account, or a user who merely claims an id, from being mistaken for another kind of user.
"""

from model.errors import ParleyError
from model.limits import ID_CHARS
from model.text import check_name
from utils.unicode import normalize

GUEST = "g_"
ACCOUNT = "u_"
CLAIMED = "w_"
# The account role of a principal that a client only claims: it has no access to private and direct rooms.
CLAIMED_ROLE = "claimed"


def principal_id(prefix: str, outer_id: str, field: str) -> str:
    """Return the principal of an id from the application (`ACCOUNT`), or of one that a client only claims (`CLAIMED`).

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
    return principal if own.startswith((GUEST, ACCOUNT, CLAIMED)) else own
