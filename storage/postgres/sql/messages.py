"""The statements about messages, except those of pages (`storage.postgres.sql.pages`)."""

from typing import Any

from msgspec import Struct
from pypika import Case, Order, Table
from pypika.functions import Count, Max, Min
from pypika.terms import Array, Function, NullValue, Star, Tuple

from model.limits import QUOTE_CHARS
from model.message import Message, body_hash
from storage.postgres.sql.tables import MESSAGES, NOT_DELETED, rfc3339, rows_as, unless_null, when
from utils.query import Query, Recordset, cast_as, equals_any, param, sql_text
from utils.words import WORDS_VERSION

# --- writes --------------------------------------------------------------------------------------------------------

NEW_COLUMNS = {
    "room_id": "bigint",
    "seq": "bigint",
    "created_at": "timestamptz",
    "sender_id": "text",
    "sender": "text",
    "client_id": "text",
    "content": "text",
    "words": "text",
    "reply_to": "bigint",
    "mentions": "text[]",
}
_new = rows_as("new", NEW_COLUMNS)


def _cut(words: Any) -> Any:
    """Split the words of a row, which arrive as one text: a JSON array would cost Postgres a second parse.

    Mentions are an array: they are few, and names contain spaces.
    """
    return Function("string_to_array", words, " ")


INSERT_MESSAGES = sql_text(
    Query.into(MESSAGES)
    .columns(*NEW_COLUMNS, "version", "words_version")
    .from_(_new)
    .select(*(_cut(_new.words) if name == "words" else _new[name] for name in NEW_COLUMNS), _new.seq, WORDS_VERSION)
    .on_conflict()
    .do_nothing()
)

_change = rows_as(
    "change",
    {
        "room_id": "bigint",
        "seq": "bigint",
        "version": "bigint",
        "content": "text",
        "words": "text",
        "first_body": "bigint",
        "edited_at": "timestamptz",
        "deleted_at": "timestamptz",
        "mentions": "text[]",
        "reactions": "json",
        "pins": "boolean",
        "pinned_at": "timestamptz",
        "pinned_by": "text",
        "sender": "text",
        "forget_id": "boolean",
        "alias_of": "text",
    },
)
# NULL for no reactions, so that a page of messages without any reads nothing for them.
_reactions = cast_as(Function("NULLIF", cast_as(_change.reactions, "text"), "{}"), "json")

# Each message once per statement: of two rows for one message, UPDATE would use either. A newer change is kept.
CHANGE_MESSAGES = sql_text(
    Query.update(MESSAGES)
    .set(MESSAGES.version, _change.version)
    .set(MESSAGES.content, unless_null(_change.content, MESSAGES.content))
    .set(MESSAGES.words, unless_null(_cut(_change.words), MESSAGES.words))
    .set(MESSAGES.words_version, when(_change.content.isnull(), MESSAGES.words_version, WORDS_VERSION))
    .set(MESSAGES.body_hash, unless_null(MESSAGES.body_hash, _change.first_body))
    .set(MESSAGES.edited_at, unless_null(_change.edited_at, MESSAGES.edited_at))
    .set(MESSAGES.deleted_at, unless_null(_change.deleted_at, MESSAGES.deleted_at))
    .set(MESSAGES.mentions, when(_change.content.isnull(), MESSAGES.mentions, _change.mentions))
    .set(MESSAGES.reactions, when(_change.reactions.isnull(), MESSAGES.reactions, _reactions))
    .set(MESSAGES.pinned_at, when(_change.pins, _change.pinned_at, MESSAGES.pinned_at))
    .set(MESSAGES.pinned_by, when(_change.pins, _change.pinned_by, MESSAGES.pinned_by))
    .set(MESSAGES.sender, unless_null(_change.sender, MESSAGES.sender))
    .set(MESSAGES.client_id, when(_change.forget_id, NullValue(), MESSAGES.client_id))
    .set(MESSAGES.alias_of, unless_null(_change.alias_of, MESSAGES.alias_of))
    .from_(_change)
    .where((MESSAGES.room_id == _change.room_id) & (MESSAGES.seq == _change.seq))
    .where(MESSAGES.version < _change.version)
)

# The words of new messages, which wait in the pending list of the index.
MERGE_WORDS = sql_text(Query.select(Function("gin_clean_pending_list", "messages_words")))

# --- words that were cut by an older version -----------------------------------------------------------------------

# Exactly the predicate of the index messages_old_words.
HAS_OLD_CUT = MESSAGES.words_version < WORDS_VERSION
_old = Query.from_(MESSAGES).where(HAS_OLD_CUT)
HAS_OLD_WORDS = sql_text(_old.select(MESSAGES.seq).orderby(MESSAGES.room_id, MESSAGES.seq).limit(1))
COUNT_OLD_WORDS = sql_text(_old.select(Count(Star())))
OLD_WORDS = sql_text(
    _old.select(MESSAGES.room_id, MESSAGES.seq, MESSAGES.version, MESSAGES.content)
    .where(Tuple(MESSAGES.room_id, MESSAGES.seq) > Tuple(param("room_id", "bigint"), param("seq", "bigint")))
    .orderby(MESSAGES.room_id, MESSAGES.seq)
    .limit(param("limit"))
)
_recut = rows_as("new", {"room_id": "bigint", "seq": "bigint", "version": "bigint", "words": "text"})
# A message that has changed since its text was read is left for the next pass.
CUT_WORDS = sql_text(
    Query.update(MESSAGES)
    .set(MESSAGES.words, _cut(_recut.words))
    .set(MESSAGES.words_version, WORDS_VERSION)
    .from_(_recut)
    .where((MESSAGES.room_id == _recut.room_id) & (MESSAGES.seq == _recut.seq))
    .where((MESSAGES.version == _recut.version) & HAS_OLD_CUT)
)

# --- what was posted -----------------------------------------------------------------------------------------------


class PostedRow(Struct, frozen=True, gc=False):
    """A message as `FIND_POSTED`, `FIND_BY_SEQ` and `FIND_BY_ID` select it."""

    room_id: int
    seq: int
    sender_id: str
    client_id: str | None
    content: str
    body_hash: int | None

    @property
    def first_body(self) -> int:
        """The hash of the first body; stored only once ``content`` is no longer the first
        (migrations/0001_messages.sql)."""
        return body_hash(self) if self.body_hash is None else self.body_hash


_posted = [MESSAGES[name] for name in PostedRow.__struct_fields__]
FIND_POSTED = sql_text(
    Query.from_(MESSAGES)
    .select(*_posted)
    .where((MESSAGES.room_id == param("room_id")) & (MESSAGES.sender_id == param("sender_id")))
    .where(MESSAGES.client_id == param("id"))
)
_key = rows_as("key", {"room_id": "bigint", "seq": "bigint", "sender_id": "text", "client_id": "text"})


def _found(*on: str) -> bytes:
    condition = MESSAGES.room_id == _key.room_id
    for column in on:
        condition &= MESSAGES[column] == _key[column]
    return sql_text(Query.from_(_key).join(MESSAGES).on(condition).select(*_posted))


# For rows that were not inserted, to find out why.
FIND_BY_SEQ = _found("seq")
FIND_BY_ID = _found("sender_id", "client_id")

# --- reads ---------------------------------------------------------------------------------------------------------

_quoted = Table("messages").as_("quoted")
# Read for a reply only: the sender and the beginning of the message it replies to, NULL if that no longer exists.
_quote = Case().when(
    MESSAGES.reply_to.notnull(),
    Query.from_(_quoted)
    .select(
        Array(_quoted.sender, when(_quoted.deleted_at.isnull(), Function("left", _quoted.content, QUOTE_CHARS), ""))
    )
    .where((_quoted.room_id == MESSAGES.room_id) & (_quoted.seq == MESSAGES.reply_to)),
)
_HELD = ("reply_to", "mentions", "reactions", "pinned_at", "pinned_by")


def _term(name: str) -> Any:
    """Select a field of `Message` under its own name, except for two."""
    term = MESSAGES[{"timestamp": "created_at", "id": "client_id"}.get(name, name)]
    return rfc3339(term) if name == "timestamp" or name.endswith("_at") else term


def _shown_term(name: str) -> Any:
    """Select the field, but not the content of a deleted message."""
    if name == "content":
        return when(NOT_DELETED, MESSAGES.content, "")
    return Case().when(NOT_DELETED, _term(name)) if name in _HELD else _term(name)


# The fields of `Message` after its room, then the quote, as `storage.postgres.read.messages` expects them.
_FIELDS = Message.__struct_fields__[1:]
WHOLE = (*map(_term, _FIELDS), _quote)
_shown = (*map(_shown_term, _FIELDS), _quote)

_room_log = Query.from_(MESSAGES).where(MESSAGES.room_id == param("room_id"))
FIND_MESSAGE = sql_text(_room_log.select(*_shown).where(MESSAGES.seq == param("seq")))

# The index of a log alone: one of authors would make every insert dearer.
_newest = (
    _room_log.select(MESSAGES.seq, MESSAGES.sender_id, MESSAGES.sender)
    .orderby(MESSAGES.seq, order=Order.desc)
    .limit(param("limit"))
)
FIND_SENDER = sql_text(
    Query.from_(_newest)
    .select(_newest.sender)
    .where(_newest.sender_id == param("sender_id"))
    .orderby(_newest.seq, order=Order.desc)
    .limit(1)
)

# The messages of some authors, a window of the log at a time: an index of authors would make every insert dearer.
_window = (
    _room_log.select(MESSAGES.seq).where(MESSAGES.seq > param("after")).orderby(MESSAGES.seq).limit(param("limit"))
)
WINDOW = sql_text(Query.from_(_window).select(Max(_window.seq), Count(Star())))
BY_SENDERS = sql_text(
    _room_log.select(*WHOLE)
    .where((MESSAGES.seq > param("after")) & (MESSAGES.seq <= param("until")))
    .where(equals_any(MESSAGES.sender_id, param("senders", "text[]")))
    .orderby(MESSAGES.seq)
)
# In which rooms such authors have written: the same for all logs together, one after the other.
_place = Tuple(MESSAGES.room_id, MESSAGES.seq)
_above = _place > Tuple(param("room_id", "bigint"), param("after", "bigint"))
END_OF_WINDOW = sql_text(
    Query.from_(MESSAGES)
    .select(MESSAGES.room_id, MESSAGES.seq)
    .where(_above)
    .orderby(MESSAGES.room_id, MESSAGES.seq)
    .limit(1)
    .offset(param("skipped"))
)
FIRST_BY_SENDERS = sql_text(
    Query.from_(MESSAGES)
    .select(MESSAGES.room_id, Min(MESSAGES.seq))
    .where(_above & (_place <= Tuple(param("last_room", "bigint"), param("until", "bigint"))))
    .where(equals_any(MESSAGES.sender_id, param("senders", "text[]")))
    .groupby(MESSAGES.room_id)
    .orderby(MESSAGES.room_id)
)


def _changed(columns: tuple[Any, ...], until: Any) -> Any:
    """Select messages by version: unchanged ones are found by seq, the others by the index on version.

    That index has changed messages only, so that an insert does not pay for it. Each half is ordered and limited before
    they are merged, even for a count: otherwise the planner reads the whole table.
    """
    unchanged = (
        _room_log.select(*columns)
        .where((MESSAGES.seq > param("after")) & (MESSAGES.seq <= param("until")))
        .where(MESSAGES.version == MESSAGES.seq)
        .orderby(MESSAGES.seq)
        .limit(param("limit"))
    )
    changed = (
        _room_log.select(*columns)
        .where((MESSAGES.version > param("after")) & (until <= param("until")))
        .where(MESSAGES.version != MESSAGES.seq)
        .orderby(MESSAGES.version)
        .limit(param("limit"))
    )
    return unchanged.union_all(changed).orderby(MESSAGES.version).limit(param("limit"))


CHANGED = sql_text(_changed(_shown, MESSAGES.seq))
COUNT_CHANGED = sql_text(Query.from_(_changed((MESSAGES.version,), MESSAGES.version)).select(Count(Star())))
HEAD = sql_text(
    Query.select(
        Function(
            "COALESCE",
            Function(
                "GREATEST",
                _room_log.select(Max(MESSAGES.seq)),
                _room_log.select(Max(MESSAGES.version)).where(MESSAGES.version != MESSAGES.seq),
            ),
            0,
        )
    )
)

_cursor = Recordset(param("cursors", "json"), "cursor", {"room_id": "bigint", "seq": "bigint"})
_mentions = Table("mentions")
_blocks = Table("user_blocks")
# Mentions by users whom the reader blocks do not count.
_blocked = Query.from_(_blocks).select(_blocks.blocked_id).where(_blocks.user_id == param("user_id"))
_names_reader = (_mentions.name == param("name")) & _mentions.sender_id.notin(_blocked)


def _count(table: Any, condition: Any) -> Any:
    """Count the rows of a log above the cursor, up to the limit, in the order of an index."""
    above = (
        Query.from_(table)
        .select(table.seq)
        .where((table.room_id == _cursor.room_id) & (table.seq > _cursor.seq) & condition)
        .where(table.sender_id != param("user_id"))
        .orderby(table.seq)
        .limit(param("limit"))
    )
    return Query.from_(above).select(Count(Star()))


UNREAD = sql_text(
    Query.from_(_cursor).select(_cursor.room_id, _count(MESSAGES, NOT_DELETED), _count(_mentions, _names_reader))
)
