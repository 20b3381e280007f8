"""Tokens come back whole through everything that mail does to addresses, and can't be forged."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.run.token import MAX_NUMBER, MAX_RUN_ID, find_token, make_token, verify
from tests.shared import examples

KEY = b"k" * 32
RUN_IDS = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)
NUMBERS = st.integers(0, MAX_NUMBER)
KEYS = st.binary(min_size=16, max_size=64)


@settings(max_examples=examples(2000))
@given(KEYS, RUN_IDS, NUMBERS)
def test_what_was_put_into_a_token_is_read_out_of_it(key: bytes, run_id: str, number: int) -> None:
    assert verify(make_token(key, run_id, number), key) == (run_id, number)


@settings(max_examples=examples(1000))
@given(KEYS, RUN_IDS, NUMBERS, NUMBERS)
def test_all_tokens_of_a_run_have_one_length_and_the_narrow_alphabet(key: bytes, run_id: str, a: int, b: int) -> None:
    one, other = make_token(key, run_id, a), make_token(key, run_id, b)
    assert len(one) == len(other)
    assert re.fullmatch(r"[a-z0-9-]+", one)
    assert (one == other) == (a == b)


@settings(max_examples=examples(2000))
@given(RUN_IDS, NUMBERS, st.data())
def test_a_token_with_any_character_changed_is_nobodys(run_id: str, number: int, data: st.DataObject) -> None:
    token = make_token(KEY, run_id, number)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-").filter(lambda c: c != token[place]))
    assert verify(token[:place] + other + token[place + 1 :], KEY) is None


@settings(max_examples=examples(1000))
@given(KEYS, KEYS, RUN_IDS, NUMBERS)
def test_a_token_of_another_workspace_is_nobodys(key: bytes, other: bytes, run_id: str, number: int) -> None:
    assert (verify(make_token(key, run_id, number), other) is None) == (key != other)


@settings(max_examples=examples(2000))
@given(st.text(max_size=200))
def test_any_text_is_looked_through_without_an_error(text: str) -> None:
    assert verify(text, KEY) is None
    assert find_token(text, KEY)[0] is None


WAYS_BACK = [
    "{}",
    "bounces+{}@mail.shop.example",
    "bounces-{}@mail.shop.example",
    "{}@mail.shop.example",
    "<BOUNCES+{}@MAIL.SHOP.EXAMPLE>",
    "SRS0=x7Ah=3K=mail.shop.example=bounces+{}@forwarder.example",
    "prvs=12345abcde=bounces+{}@mail.shop.example",
    "bounces+{}=icloud.com@mail.shop.example",
    "b-o-u-n-c-e-{}",
]


@pytest.mark.parametrize("way", WAYS_BACK)
@settings(max_examples=examples(200))
@given(RUN_IDS, NUMBERS, st.booleans())
def test_a_token_is_found_in_what_mail_systems_make_of_an_address(
    way: str, run_id: str, number: int, folded: bool
) -> None:
    token = make_token(KEY, run_id, number)
    text = way.format(token)
    assert find_token(text.upper() if folded else text, KEY) == (token, True)


def test_a_forged_token_is_told_apart_from_none_at_all() -> None:
    forged = make_token(b"f" * 32, "r7q2", 3)
    assert find_token(f"bounces+{forged}@mail.shop.example", KEY) == (None, True)
    assert find_token("bounces@mail.shop.example", KEY) == (None, False)


def test_the_true_token_is_found_behind_a_forged_one() -> None:
    forged, true = make_token(b"f" * 32, "r7q2", 3), make_token(KEY, "r7q2", 4)
    assert find_token(f"{forged} {true}", KEY) == (true, True)


@pytest.mark.parametrize("run_id", ["", "-a", "a-", "a--b", "A", "a_b", "a b", "é", "x" * (MAX_RUN_ID + 1), "a\r\n"])
def test_a_run_id_that_can_not_travel_is_refused(run_id: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        make_token(KEY, run_id, 0)


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_a_number_that_would_change_the_length_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="trial number"):
        make_token(KEY, "r1", number)


def test_a_guessable_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        make_token(b"short", "r1", 0)


def test_the_longest_local_part_still_fits_an_address() -> None:
    assert len("bounces+" + make_token(KEY, "x" * MAX_RUN_ID, MAX_NUMBER)) <= 64
