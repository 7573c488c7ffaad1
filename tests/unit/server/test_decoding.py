"""Every invalid field is described in Parley's own words, not in those of its decoder."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from model.room import Role
from server.codec.decoding import choices_of, wrong_field

Code = Annotated[str, Meta(min_length=2, max_length=4)]
Some = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1, le=500)]
Below = Annotated[float, Meta(gt=-1, lt=2.5)]


class Frame(Struct):
    word: str = ""
    code: Code = "ab"
    some: Some = "a"
    count: Count = 1
    below: Below = 0.0
    on: bool = False
    maybe: int | None = None
    many: list[int] = []
    inner: "Inner | None" = None
    role: Role = "member"
    letter: Literal["a", "b"] = "a"
    sort: Annotated[Literal["new", "old", "none"], Meta(description="order")] | None = None


class Inner(Struct):
    name: str
    letter: Literal["a"] = "a"


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ('{"word":1}', "word", "must be a string"),
        ('{"code":"a"}', "code", "has fewer than 2 characters"),
        ('{"code":"abcde"}', "code", "has more than 4 characters"),
        ('{"some":""}', "some", "is empty"),
        ('{"count":0}', "count", "must be at least 1"),
        ('{"count":501}', "count", "must be at most 500"),
        ('{"count":1.5}', "count", "must be a whole number"),
        ('{"below":-1}', "below", "must be above -1"),
        ('{"below":2.5}', "below", "must be below 2.5"),
        ('{"below":"x"}', "below", "must be a number"),
        ('{"on":1}', "on", "must be true or false"),
        ('{"maybe":"x"}', "maybe", "must be a whole number or null"),
        ('{"many":{}}', "many", "must be an array"),
        ('{"inner":7}', "inner", "must be an object or null"),
        ('{"inner":{}}', "name", "is missing"),
        ('{"inner":{"name":null}}', "inner.name", "must be a string"),
        ('{"role":"Expected `str`"}', "role", "must be owner, moderator, member or readonly"),
        ('{"letter":"c"}', "letter", "must be a or b"),
        ('{"sort":"c"}', "sort", "must be new, old or none"),
        ('{"inner":{"name":"x","letter":"c"}}', "inner.letter", "has an unknown value"),
        ("7", "", ""),
    ],
)
def test_decoding_errors_are_described_in_parleys_words(sent: str, field: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(sent, type=Frame)
    assert (wrong_field(str(refused.value), choices_of(Frame)) or ("", "")) == (field, said)
