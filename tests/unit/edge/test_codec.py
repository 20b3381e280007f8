"""Nouns to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge.codec import from_json, moment, stamp, to_json
from harness.model.answer import Answer
from harness.model.factor import Factor
from harness.model.record import RunRecord, TrialRecord
from harness.model.trial import Ask
from tests.shared import examples


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    at: datetime
    raw: bytes = b""


@dataclass(frozen=True)
class Outer:
    name: str
    colour: Colour = Colour.RED
    share: float = 0.5
    maybe: Inner | None = None
    many: tuple[Inner, ...] = ()
    pair: tuple[str, float] = ("a", 1.0)
    some: frozenset[str] = frozenset()
    nested: dict[str, tuple[int, ...]] = field(default_factory=dict)
    anything: object = None


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
INNER = st.builds(Inner, MOMENTS, st.binary(max_size=20))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
OUTER = st.builds(
    Outer,
    st.text(),
    share=st.floats(allow_nan=False, allow_infinity=False),
    maybe=st.none() | INNER,
    many=st.lists(INNER, max_size=3).map(tuple),
    pair=st.tuples(st.text(max_size=5), st.floats(0, 1)),
    some=st.frozensets(st.text(max_size=5)),
    nested=st.dictionaries(st.text(max_size=3), st.lists(st.integers(), max_size=3).map(tuple), max_size=3),
    anything=JSON,
)


@given(OUTER)
@settings(max_examples=examples(1000))
def test_every_value_comes_back(value: Outer) -> None:
    assert from_json(Outer, to_json(value)) == value


@given(st.builds(Ask, st.frozensets(st.text(max_size=9)), st.text(), st.sampled_from(list(Ask.__annotations__))))
def test_text_of_any_kind_can_be_stored(value: Ask) -> None:
    to_json(value).encode()


def test_bytes_that_were_no_utf8_come_back_as_they_were() -> None:
    assert from_json(Outer, to_json(Outer("x\udcff"))).name == "x\udcff"


def test_older_rows_take_the_defaults_of_newer_fields_and_drop_what_is_gone() -> None:
    assert from_json(Outer, '{"name": "x", "gone": 1}') == Outer("x")


@pytest.mark.parametrize("kind", [RunRecord, TrialRecord, Answer, Factor])
def test_every_noun_of_the_ledger_has_a_reader(kind: type) -> None:
    with pytest.raises((TypeError, KeyError, AttributeError)):
        from_json(kind, "{}")  # what lacks its fields is not made up


@given(MOMENTS, MOMENTS)
@settings(max_examples=examples(500))
def test_text_order_is_time_order(first: datetime, second: datetime) -> None:
    assert (stamp(first) < stamp(second)) == (first < second)
    assert moment(stamp(first)) == first


def test_moments_are_utc_and_have_a_zone() -> None:
    noon = datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1)))
    assert stamp(noon) == "2026-11-20T12:00:00.000000+00:00"
    with pytest.raises(ValueError, match="no time zone"):
        stamp(datetime(2026, 11, 20))
    with pytest.raises(TypeError, match="no place in the ledger"):
        to_json(object())
