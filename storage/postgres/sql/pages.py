"""The statements of pages of messages: a room's history, and a search in several rooms."""

from itertools import product
from typing import Any, NamedTuple

from pypika import AliasedQuery, Order
from pypika.functions import Count
from pypika.terms import Function, Star

from storage.postgres.sql.messages import HAS_OLD_CUT, WHOLE
from storage.postgres.sql.tables import MESSAGES, NOT_DELETED, ROOMS
from utils.query import IsTrue, Lateral, Query, equals_any, param, sql_text, value_of
from utils.words import WORDS_VERSION


def _has_words(old_words: bool) -> Any:
    """The message has all the words of the query, cut by the version that indexed it.

    With ``old_words`` False the version is ignored: no message has an older one, or both cuts of the query are equal.
    """
    # ``@>``: the array of words contains every element of the other array. A GIN index serves it.
    new = MESSAGES.words.contains(param("words", "text[]"))
    if not old_words:
        return new
    return (new & (MESSAGES.words_version >= WORDS_VERSION)) | (
        MESSAGES.words.contains(param("old_words", "text[]")) & HAS_OLD_CUT
    )


class HistoryKind(NamedTuple):
    """The restrictions of a page of history. Each combination has its own text, and so its own plan."""

    oldest_first: bool
    sender: bool = False
    words: bool = False
    pinned: bool = False
    include_deleted: bool = False
    old_words: bool = False


def _history(kind: HistoryKind) -> bytes:
    query = Query.from_(MESSAGES).select(*WHOLE).where(MESSAGES.room_id == param("room_id"))
    query = query.where((MESSAGES.seq > param("after")) & (MESSAGES.seq < param("before")))
    if not kind.include_deleted:
        query = query.where(NOT_DELETED)
    if kind.pinned:
        query = query.where(MESSAGES.pinned_at.notnull())
    if kind.sender:
        query = query.where(MESSAGES.sender == param("sender"))
    if kind.words:
        query = query.where(_has_words(kind.old_words))
    order = Order.asc if kind.oldest_first else Order.desc
    return sql_text(query.orderby(MESSAGES.seq, order=order).limit(param("limit")))


HISTORY = {kind: _history(kind) for kind in (HistoryKind(*flags) for flags in product((False, True), repeat=6))}

# --- a search in several rooms: two strategies, of which each search uses one --------------------------------------

# Rare words: all their hits, whatever the room. Common words: a walk along the logs of the rooms, from the newest
# message. PostgreSQL cannot choose by itself as it does for one room: with all rooms in one condition it can only read
# every hit of a word, and room by room it assumes that each room has the average size.
#
# The walk has two steps. The first finds a few hits in each room, together at least a page: nothing older than the last
# of those can be on the page. The second finds in each room all hits that are not older than that.
_hits = AliasedQuery("hits")
_heads = AliasedQuery("heads")
_count_hits = value_of(Query.from_(_hits).select(Count(Star())))


def _below(row: Any, room_id: Any) -> Any:
    """The row is below the (seq, room_id) at which the page begins; the first half is what an index can use."""
    return (row.seq <= param("before")) & ((row.seq < param("before")) | (room_id < param("before_room")))


def _walk(old_words: bool, limit: str) -> Any:
    """Select the newest hits of each room, up to ``limit``, along its log."""
    log = (
        Query.from_(MESSAGES)
        .select(MESSAGES.seq)
        # Not through the index of words: that would read every hit in the database for each room.
        .where((MESSAGES.room_id == ROOMS.room_id) & IsTrue(_has_words(old_words)))
        .where(NOT_DELETED & _below(MESSAGES, ROOMS.room_id))
        .orderby(MESSAGES.seq, order=Order.desc)
        .limit(param(limit))
    )
    if limit == "limit":
        # The second step. If the first step found less than a page, nothing is excluded.
        last_head = Query.from_(_heads).select(_heads.seq).orderby(_heads.seq, order=Order.desc)
        log = log.where(MESSAGES.seq >= Function("COALESCE", last_head.offset(param("last")).limit(1), 0))
    in_room = Lateral(log, "in_room")
    return (
        Query.from_(ROOMS)
        .from_(in_room)
        .select(ROOMS.room_id, in_room.seq)
        .where(_count_hits >= param("probe"))
        .where(equals_any(ROOMS.room_id, param("rooms", "bigint[]")))
    )


def _search(old_words: bool) -> bytes:
    all_hits = (
        Query.from_(MESSAGES)
        .select(MESSAGES.room_id, MESSAGES.seq)
        .where(_has_words(old_words) & NOT_DELETED)
        .limit(param("probe"))
    )
    rare = (
        Query.from_(_hits)
        .select(_hits.room_id, _hits.seq)
        .where((_count_hits < param("probe")) & equals_any(_hits.room_id, param("rooms", "bigint[]")))
        .where(_below(_hits, _hits.room_id))
    )
    places = rare.union_all(_walk(old_words, "limit")).as_("place")
    hit = (
        Query.from_(places)
        .select(places.room_id, places.seq)
        .orderby(places.seq, places.room_id, order=Order.desc)
        .limit(param("limit"))
        .as_("hit")
    )
    return sql_text(
        Query.with_(all_hits, "hits")
        .with_(_walk(old_words, "share"), "heads")
        .from_(hit)
        .join(MESSAGES)
        .on((MESSAGES.room_id == hit.room_id) & (MESSAGES.seq == hit.seq))
        .select(MESSAGES.room_id, *WHOLE)
        .orderby(MESSAGES.seq, MESSAGES.room_id, order=Order.desc)
    )


SEARCH, SEARCH_OLD_WORDS = _search(False), _search(True)
