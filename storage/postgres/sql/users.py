"""The statements about users whom the application has added."""

from pypika import Table

from model.account import AddedUser
from storage.postgres.sql.tables import MEMBERS, insert_into
from utils.query import Query, param, sql_text

_USERS = Table("added_users")
_columns = AddedUser.__struct_fields__
_of_user = _USERS.user_id == param("user_id")

FIND_USER = sql_text(Query.from_(_USERS).select(*(_USERS[name] for name in _columns)).where(_of_user))
ADD_USER = sql_text(insert_into(_USERS, _columns).on_conflict().do_nothing())
RENAME_USER = sql_text(
    Query.update(_USERS)
    .set(_USERS.name, param("name"))
    .set(_USERS.changed_at, param("changed_at"))
    .where(_of_user & (_USERS.name != param("name")))
)
REMOVE_USER = sql_text(Query.from_(_USERS).delete().where(_of_user))
HAS_OTHER_NAME = sql_text(
    Query.from_(MEMBERS)
    .select(MEMBERS.room_id)
    .where((MEMBERS.user_id == param("user_id")) & (MEMBERS.name != param("name")))
    .limit(1)
)
