"""Rows of production become profiles, and nobody's address goes along."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.recipients import MAX_PROFILES, make_profiles
from harness.errors import ConfigError
from tests.shared import examples

ANA = "ana.lopez@customer.example"


def test_a_column_of_addresses_goes_unless_the_campaign_shows_it() -> None:
    rows = [{"email": ANA, "name": "Ana"}, {"email": "bo@customer.example", "name": "Bo"}]
    made = make_profiles(rows, "rows.csv", frozenset(["name"]))
    assert [dict(row) for row in made.rows] == [
        {"profile": "profile-1", "name": "Ana"}, {"profile": "profile-2", "name": "Bo"},
    ]  # fmt: skip
    assert any("email" in note for note in made.notes)
    shown = make_profiles(rows, "rows.csv", frozenset(["email", "name"]))
    assert shown.rows[0]["email"] == "profile-1@recipient.example"


def test_an_address_inside_of_a_value_is_replaced_in_its_own_form() -> None:
    row = {"link": f"https://shop.example/u?e={ANA.replace('@', '%40')}&x=1", "note": f"To {ANA.upper()}!", ANA: "x"}
    made = make_profiles([row], "r", frozenset(row)).rows[0]
    assert made["link"] == "https://shop.example/u?e=profile-1%40recipient.example&x=1"
    assert made["note"] == "To profile-1@recipient.example!"
    assert ANA not in str(made)


def test_an_address_that_all_rows_share_is_the_campaign_s() -> None:
    rows = [{"help": "help@shop.example", "e": f"{n}@customer.example"} for n in range(3)]
    made = make_profiles(rows, "r", frozenset())
    assert [row["help"] for row in made.rows] == ["help@shop.example"] * 3
    assert all("e" not in row for row in made.rows)


def test_rows_may_name_themselves_but_not_by_address() -> None:
    rows = [{"profile": "first failed", "a": 1}, {"profile": ANA, "a": 2}, {"profile": "first failed", "a": 3}]
    assert [row["profile"] for row in make_profiles(rows, "r", frozenset()).rows] == [
        "first failed", "profile-2", "profile-3",
    ]  # fmt: skip


def test_nothing_is_empty_or_left_out_as_the_syntax_has_it() -> None:
    rows = [{"a": None, "b": {"c": None, "d": [1, None]}}]
    assert dict(make_profiles(rows, "r", frozenset()).rows[0]) == {
        "profile": "profile-1", "a": "", "b": {"c": "", "d": [1, ""]},
    }  # fmt: skip
    assert dict(make_profiles(rows, "r", frozenset(), None).rows[0]) == {"profile": "profile-1", "b": {"d": [1]}}


def test_more_rows_than_a_segment_has_seeds_are_cut_and_none_are_refused() -> None:
    made = make_profiles([{"a": n} for n in range(MAX_PROFILES + 5)], "r.csv", frozenset())
    assert len(made.rows) == MAX_PROFILES
    assert "55 rows" in made.notes[0]
    with pytest.raises(ConfigError, match=r"r\.csv: holds no rows"):
        make_profiles([], "r.csv", frozenset())


@settings(max_examples=examples(500), deadline=None)
@given(st.emails(), st.text(max_size=10), st.booleans())
def test_no_form_of_an_address_survives(address: str, around: str, used: bool) -> None:
    local = address.rpartition("@")[0]
    if not local.replace(".", "").isalnum() or not local.isascii():
        return  # quoting and odd signs are not how exports write addresses
    row = {"to": address, "x": {"y": [f"{around} {address} {around}", f"?e={address.replace('@', '%40')}"]}}
    made = str(make_profiles([row], "r", frozenset(["to"] if used else [])).rows).lower()
    assert address.lower() not in made
    assert address.lower().replace("@", "%40") not in made
