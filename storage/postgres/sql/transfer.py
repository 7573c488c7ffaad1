"""The statements of an export of everything, and of an import."""

from collections.abc import Collection, Mapping
from typing import Any

from pypika import Table
from pypika.terms import Function

from model.account import Account, AddedUser, ApiKey, InviteLink, Login, RoomWork
from storage.postgres.sql.messages import NEW_COLUMNS
from storage.postgres.sql.rooms import NEW_MEMBER, ROOM_COLUMNS
from storage.postgres.sql.safety import REPORT_COLUMNS
from storage.postgres.sql.tables import MEMBERS, MESSAGES, ROOMS, rfc3339, rows_as
from utils.query import Query, equals_any, param, sql_text
from utils.words import WORDS_VERSION

_SECRET = Table("server_secret")
_ACCOUNTS = Table("accounts")
_CODES = Table("recovery_codes")
_LOGINS = Table("logins")
_ALIASES = Table("aliases")
_KEYS = Table("api_keys")
_USERS = Table("added_users")
_SANCTIONS = Table("network_sanctions")
_LINKS = Table("invite_links")
_BLOCKS = Table("user_blocks")
_REPORTS = Table("reports")
_NOTICES = Table("notices")
_WORK = Table("room_work")
_AUDIT = Table("audit")

# --- the reads of an export ------------------------------------------------------------------------------------------

# A snapshot of the whole database, for hours if need be.
BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COMMIT = b"COMMIT"
NO_LIMITS = b"SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
# A cursor of the server: a page at a time, in no more memory than that.
OPEN = b"DECLARE parley_export NO SCROLL CURSOR FOR "
CLOSE = b"CLOSE parley_export"


def fetch(count: int) -> bytes:
    """Return the statement that reads the next rows of the cursor."""
    return b"FETCH FORWARD %d FROM parley_export" % count


def _all(table: Any, columns: Collection[Any], *order: str) -> bytes:
    query = Query.from_(table).select(*(table[one] if isinstance(one, str) else one for one in columns))
    for column in order:
        query = query.orderby(table[column])
    return sql_text(query)


WORK_COLUMNS = [name for name in RoomWork.__struct_fields__ if name != "number"]
_NOTICE = ("kind", "subject", "at", "until", "version", "deny_until", "reason")
_SANCTION = {
    "room_id": "bigint",
    "network": "text",
    "guest_id": "text",
    "banned_until": "bigint",
    "muted_until": "bigint",
}
_MESSAGE = (
    *("room_id", "seq", "version", "sender", "sender_id", "content", "created_at", "client_id", "edited_at"),
    *("deleted_at", "reply_to", "mentions", "reactions", "pinned_at", "pinned_by", "alias_of", "body_hash"),
)
ALL_SECRETS = _all(_SECRET, ("secret", rfc3339(_SECRET.replaced_at)))
_codes_of = (
    Query.from_(_CODES).select(_CODES.hash).where(_CODES.account_id == _ACCOUNTS.account_id).orderby(_CODES.hash)
)
ALL_ACCOUNTS = _all(_ACCOUNTS, (*Account.__struct_fields__, Function("ARRAY", _codes_of)), "created_at", "account_id")
ALL_LOGINS = _all(_LOGINS, Login.__struct_fields__, "created_at", "login_id")
ALL_ALIASES = _all(_ALIASES, ("guest_id", "account_id", "at"), "at", "guest_id")
ALL_KEYS = _all(_KEYS, ApiKey.__struct_fields__, "created_at", "key_id")
ALL_USERS = _all(_USERS, AddedUser.__struct_fields__, "added_at", "user_id")
ALL_ROOMS = _all(ROOMS, [rfc3339(ROOMS[one]) if one.endswith("_at") else one for one in ROOM_COLUMNS], "room_id")
ALL_SANCTIONS = _all(_SANCTIONS, tuple(_SANCTION), "room_id", "network", "guest_id")
ALL_MEMBERS = _all(MEMBERS, tuple(NEW_MEMBER), "stored")
ALL_MESSAGES = _all(
    MESSAGES, [rfc3339(MESSAGES[one]) if one.endswith("_at") else one for one in _MESSAGE], "room_id", "seq"
)
ALL_LINKS = _all(_LINKS, InviteLink.__struct_fields__, "created_at", "link_id")
ALL_BLOCKS = _all(_BLOCKS, ("user_id", "blocked_id", "at"), "user_id", "at", "blocked_id")
ALL_REPORTS = _all(_REPORTS, REPORT_COLUMNS, "created_at", "report_id")
ALL_NOTICES = _all(_NOTICES, _NOTICE, "number")
ALL_WORK = _all(_WORK, WORK_COLUMNS, "number")
ALL_AUDIT = _all(
    _AUDIT,
    (
        *("entry_id", "at", "action", "result", "actor", "actor_name", "target", "target_name"),
        *("address", "room", "detail"),
    ),
    "number",
)

# --- the writes of an import -----------------------------------------------------------------------------------------

# No command writes meanwhile: those of accounts do without the lease. Readers go on.
TABLES = (
    *(
        "rooms",
        "messages",
        "members",
        "network_sanctions",
        "accounts",
        "aliases",
        "api_keys",
        "invite_links",
        "added_users",
    ),
    *("user_blocks", "reports", "notices", "room_work", "audit"),
)
OF_ROOMS = ("rooms", "messages", "members")
LOCK = b"LOCK TABLE " + ", ".join(TABLES).encode() + b" IN EXCLUSIVE MODE"
_there = Table("pg_tables")
# Those of them that exist.
THERE = sql_text(
    Query.from_(_there)
    .select(_there.tablename)
    .where((_there.schemaname == Function("current_schema")) & equals_any(_there.tablename, param("names", "name[]")))
)
ANALYZE = b"ANALYZE rooms, messages, members, mentions"
HAS_ROWS = {name: sql_text(Query.from_(Table(name)).select(1).limit(1)) for name in TABLES}


def _insert(table: Any, columns: Mapping[str, str], *, kept: bool = False, **values: Any) -> bytes:
    """Return the statement that inserts ``%(rows)s``: bytes are in base64, as `utils.encoding.to_json` writes them.

    Args:
        kept: whether a row that is there already is kept.
        values: of further columns.
    """
    new = rows_as("new", {name: "text" if kind == "bytea" else kind for name, kind in columns.items()})
    given = [
        Function("decode", new[name], "base64") if kind == "bytea" else new[name] for name, kind in columns.items()
    ]
    query = Query.into(table).columns(*columns, *values).from_(new).select(*given, *values.values())
    return sql_text(query.on_conflict().do_nothing() if kept else query)


_text, _number, _bytes, _flag = "text", "bigint", "bytea", "boolean"
KEEP_SECRET = sql_text(
    Query.into(_SECRET)
    .columns("id", "secret", "replaced_at")
    .insert(1, param("secret", "bytea"), param("replaced_at", "timestamptz"))
    .on_conflict(_SECRET.id)
    .do_update("secret")
    .do_update("replaced_at")
)
_OF_ACCOUNTS = {
    "created_at": _number,
    "password_at": _number,
    "version": _number,
    "totp_nonce": _bytes,
    "totp_on": _flag,
    "totp_step": _number,
}
INSERT_ACCOUNTS = _insert(
    _ACCOUNTS, {**{name: _OF_ACCOUNTS.get(name, _text) for name in Account.__struct_fields__}, "folded_email": _text}
)
INSERT_CODES = _insert(_CODES, {"account_id": _text, "hash": _bytes})
_OF_LOGINS = {
    "generation": "integer",
    "created_at": _number,
    "refreshed_at": _number,
    "ends_at": _number,
    "by_cookie": _flag,
}
INSERT_LOGINS = _insert(_LOGINS, {name: _OF_LOGINS.get(name, _text) for name in Login.__struct_fields__})
INSERT_ALIASES = _insert(_ALIASES, {"guest_id": _text, "account_id": _text, "at": _number})
_OF_KEYS = {"hash": _bytes, "created_at": _number, "until": _number, "used_at": _number}
INSERT_KEYS = _insert(_KEYS, {name: _OF_KEYS.get(name, _text) for name in ApiKey.__struct_fields__})
_OF_USERS = {"added_at": _number, "changed_at": _number}
# Those whom the application has added before an import from Slack keep their names.
INSERT_USERS = _insert(_USERS, {name: _OF_USERS.get(name, _text) for name in AddedUser.__struct_fields__}, kept=True)
_OF_ROOMS = {
    "room_id": _number,
    "created_at": "timestamptz",
    "deleted_at": "timestamptz",
    "slow_mode": "integer",
    "retention_days": "integer",
}
INSERT_ROOMS = _insert(
    ROOMS, {name: _OF_ROOMS.get(name, _text) for name in (*ROOM_COLUMNS, "folded_name", "folded_title")}
)
INSERT_SANCTIONS = _insert(_SANCTIONS, _SANCTION)
# Of two rows of one user the one that is stored last counts: `stored` is numbered in the order of the rows.
INSERT_MEMBERS = _insert(MEMBERS, NEW_MEMBER)
_OF_MESSAGES = {
    **NEW_COLUMNS,
    "version": _number,
    "edited_at": "timestamptz",
    "deleted_at": "timestamptz",
    "reactions": "json",
    "pinned_at": "timestamptz",
    "pinned_by": _text,
    "alias_of": _text,
    "body_hash": _number,
}


def _insert_messages() -> bytes:
    new = rows_as("new", _OF_MESSAGES)
    given = [Function("string_to_array", new.words, " ") if name == "words" else new[name] for name in _OF_MESSAGES]
    query = Query.into(MESSAGES).columns(*_OF_MESSAGES, "words_version").from_(new).select(*given, WORDS_VERSION)
    return sql_text(query)


INSERT_MESSAGES = _insert_messages()
_OF_LINKS = {
    "hash": _bytes,
    "room_id": _number,
    "created_at": _number,
    "until": _number,
    "uses": "integer",
    "uses_left": "integer",
}
INSERT_LINKS = _insert(_LINKS, {name: _OF_LINKS.get(name, _text) for name in InviteLink.__struct_fields__})
INSERT_BLOCKS = _insert(_BLOCKS, {"user_id": _text, "blocked_id": _text, "at": _number})
_NUMBERS = {"room_id", "seq", "created_at", "handled_at"}
INSERT_REPORTS = _insert(_REPORTS, {name: _number if name in _NUMBERS else _text for name in REPORT_COLUMNS})
INSERT_NOTICES = _insert(
    _NOTICES,
    {name: _text if name in ("kind", "subject", "reason") else _number for name in _NOTICE},
    number=Function("nextval", "notice_numbers"),
)
_OF_WORK = {"ids": "text[]", "messages": _flag, "room_id": _number}
INSERT_WORK = _insert(_WORK, {name: _OF_WORK.get(name, _text) for name in WORK_COLUMNS})
