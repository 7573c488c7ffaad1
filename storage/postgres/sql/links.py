"""The statements about invite links to rooms; those to register are in `storage.postgres.sql.secrets`."""

from typing import Any

from pypika import Order, Table

from storage.postgres.sql.secrets import LINK_COLUMNS
from storage.postgres.sql.tables import insert_into
from utils.query import Query, param, sql_text

_LINKS = Table("invite_links")
_columns = [_LINKS[name] for name in LINK_COLUMNS]
_lasts = _LINKS.until > param("now")
_usable = (_LINKS.hash == param("hash", "bytea")) & _lasts & (_LINKS.uses_left > 0)
_of_link = _LINKS.link_id == param("link_id")

INSERT_LINK = sql_text(insert_into(_LINKS, LINK_COLUMNS))
FIND_LINK = sql_text(Query.from_(_LINKS).select(*_columns).where(_usable))

FIND_LINK_BY_ID = sql_text(Query.from_(_LINKS).select(*_columns).where(_of_link))


def _list(condition: Any) -> bytes:
    query = Query.from_(_LINKS).select(*_columns).where(condition & _lasts)
    return sql_text(query.orderby(_LINKS.created_at, order=Order.desc).orderby(_LINKS.link_id))


LINKS_OF_ROOM = _list(_LINKS.room_id == param("room_id"))
LINKS_OF_MAKER = _list(_LINKS.maker_id == param("maker_id"))
USE_LINK = sql_text(
    Query.update(_LINKS)
    .set(_LINKS.uses_left, _LINKS.uses_left - 1)
    .where(_usable & _LINKS.room_id.notnull())
    .returning(*_columns)
)
GIVE_BACK = sql_text(
    Query.update(_LINKS).set(_LINKS.uses_left, _LINKS.uses_left + 1).where(_of_link & (_LINKS.uses_left < _LINKS.uses))
)
REVOKE_LINK = sql_text(Query.from_(_LINKS).delete().where(_of_link))
