"""What the query builder adds to PyPika, as SQL text."""

import pytest
from pypika import Table
from pypika.terms import Function

from utils.query import (
    IsTrue,
    Lateral,
    Query,
    Recordset,
    equals_any,
    param,
    sql_text,
)

ROOMS, MESSAGES = Table("rooms"), Table("messages")


def test_a_parameter_is_named_in_the_text() -> None:
    assert str(param("room_id")) == "%(room_id)s"
    assert str(param("room_id", "bigint")) == "CAST(%(room_id)s AS BIGINT)"


@pytest.mark.parametrize("name", ["", "a b", "a)s; --", "1a", "A", "ä", "a\n"])
def test_an_invalid_parameter_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a parameter name"):
        param(name)


def test_a_query_has_a_text_and_parameters() -> None:
    query = Query.from_(ROOMS).select(ROOMS.name).where(equals_any(ROOMS.room_id, param("rooms", "bigint[]")))
    query = query.where(ROOMS.words.contains(param("words")))
    text = sql_text(query)
    assert text == (
        b'SELECT "name" FROM "rooms" WHERE "room_id"=ANY(CAST(%(rooms)s AS BIGINT[])) AND "words"@>%(words)s'
    )


def test_a_condition_can_be_hidden_from_indexes() -> None:
    query = Query.from_(ROOMS).select(ROOMS.name).where(IsTrue(ROOMS.words.contains(param("words"))))
    assert sql_text(query) == b'SELECT "name" FROM "rooms" WHERE ("words"@>%(words)s) IS TRUE'


def test_a_percent_sign_outside_a_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="a literal %"):
        sql_text(Query.from_(ROOMS).select(ROOMS.name).where(ROOMS.name == "100%"))


def test_rows_can_come_from_a_parameter() -> None:
    new = Recordset(param("rows", "json"), "new", {"room_id": "bigint", "words": "text[]"})
    assert sql_text(Query.from_(new).select(new.room_id).where(new.words.notnull())) == (
        b'SELECT "new"."room_id" FROM json_to_recordset(CAST(%(rows)s AS JSON))'
        b' AS "new"("room_id" bigint,"words" text[]) WHERE NOT "new"."words" IS NULL'
    )


def test_a_query_can_run_for_each_row() -> None:
    """Its tables are named in full, since it uses columns of the outer query."""
    newest = Query.from_(MESSAGES).select(MESSAGES.seq).where(MESSAGES.room_id == ROOMS.room_id).limit(param("limit"))
    each = Lateral(newest, "each")
    assert sql_text(Query.from_(ROOMS).from_(each).select(ROOMS.name, each.seq).orderby(each.seq)) == (
        b'SELECT "rooms"."name","each"."seq" FROM "rooms",LATERAL (SELECT "messages"."seq" FROM "messages"'
        b' WHERE "messages"."room_id"="rooms"."room_id" LIMIT %(limit)s) AS "each" ORDER BY "each"."seq"'
    )


def test_the_rows_of_a_query_can_become_an_array() -> None:
    names = Function("ARRAY", Query.from_(ROOMS).select(ROOMS.name))
    assert sql_text(Query.from_(MESSAGES).select(MESSAGES.seq).where(equals_any(MESSAGES.room, names))) == (
        b'SELECT "seq" FROM "messages" WHERE "room"=ANY(ARRAY((SELECT "name" FROM "rooms")))'
    )
