"""The statements about logins."""

from pypika import Order, Table
from pypika.terms import Function

from model.account import Login
from storage.postgres.sql.tables import insert_into, removing
from utils.query import Query, equals_any, param, sql_text

LOGINS = Table("logins")
_COLUMNS = Login.__struct_fields__
_record = [LOGINS[name] for name in _COLUMNS]
_of_account = LOGINS.account_id == param("account_id")
_of_login = LOGINS.login_id == param("login_id")
_not_ended = LOGINS.ends_at > param("now")

INSERT_LOGIN = sql_text(insert_into(LOGINS, _COLUMNS))
FIND_LOGIN = sql_text(Query.from_(LOGINS).select(*_record).where(_of_login & _not_ended))
LOCK_LOGIN = sql_text(Query.from_(LOGINS).select(*_record).where(_of_login & _not_ended).for_update())
LOGINS_OF = sql_text(
    Query.from_(LOGINS)
    .select(*_record)
    .where(_of_account & _not_ended)
    .orderby(LOGINS.created_at)
    .orderby(LOGINS.login_id)
)
# Of two refreshes with the same token, the second finds another generation.
REFRESH = sql_text(
    Query.update(LOGINS)
    .set(LOGINS.generation, LOGINS.generation + 1)
    .set(LOGINS.refreshed_at, param("now"))
    .set(LOGINS.ends_at, param("ends_at"))
    .set(LOGINS.address, param("address"))
    .where(_of_login & _not_ended & (LOGINS.generation == param("generation")))
    .returning(*_record)
)
REMOVE_LOGIN = sql_text(Query.from_(LOGINS).delete().where(_of_login))
END_LOGINS = sql_text(
    Query.from_(LOGINS)
    .delete()
    .where(_of_account & (LOGINS.login_id != param("but")))
    .where((param("only", "text") == "") | (LOGINS.login_id == param("only")))
    .returning(LOGINS.login_id)
)
_newest = (
    Query.from_(LOGINS)
    .select(LOGINS.login_id)
    .where(_of_account)
    .orderby(LOGINS.created_at, order=Order.desc)
    .orderby(LOGINS.login_id, order=Order.desc)
)
END_OLDEST = sql_text(
    Query.from_(LOGINS)
    .delete()
    .where(equals_any(LOGINS.login_id, Function("ARRAY", _newest.offset(param("most")))))
    .returning(LOGINS.login_id)
)
EXPIRE_LOGINS = removing(LOGINS, Query.from_(LOGINS).select(LOGINS.ctid).where(LOGINS.ends_at <= param("now")))
