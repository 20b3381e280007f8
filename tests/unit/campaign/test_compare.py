"""Comparison: hunks that make the one message out of the other, and a difference that people can read."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.compare import difference, hunks
from harness.campaign.expand import expand
from tests.shared import examples
from tests.unit.campaign.builders import assert_honest, render, segment, shop

SEGMENT = segment()
SEED = SEGMENT.seeds[0]
SHOP = expand(shop(), SEGMENT)
EVERYTHING = frozenset(factor.id for factor in SHOP.factors)
LINES = st.lists(st.sampled_from([b"a\r\n", b"b\r\n", b"=\r\n", b"=\r\n", b"longer line\r\n", b"x"]), max_size=25).map(
    b"".join
)


@settings(max_examples=examples(1000))
@given(LINES, LINES)
def test_hunks_are_all_that_differs(a: bytes, b: bytes) -> None:
    made, at = b"", 0
    for hunk in hunks(a, b):
        assert a[hunk.a_start : hunk.a_end] == hunk.removed
        assert b[hunk.b_start : hunk.b_end] == hunk.added
        made += a[at : hunk.a_start] + hunk.added
        at = hunk.a_end
    assert made + a[at:] == b


def test_a_link_shows_as_a_link_and_nothing_else() -> None:
    name = "link:https://vip.example/x"
    found = difference(render(SHOP, EVERYTHING - {name}, SEED), render(SHOP, EVERYTHING, SEED))
    assert found.links_added == ("https://vip.example/x",)
    assert found.links_removed == found.parts_added == found.parts_removed == ()
    assert found.headers == ()
    assert any(line.startswith("+") and "vip.example" in line for line in found.html_lines)
    text = found.text("without", "with")
    assert text.startswith("--- without\n+++ with\n")
    assert "+ https://vip.example/x" in text


def test_a_header_and_an_attachment_show_by_name() -> None:
    without = EVERYTHING - {"header:X-Campaign", "attachment:terms.pdf"}
    found = difference(render(SHOP, without, SEED), render(SHOP, EVERYTHING, SEED))
    assert [(change.name, change.before, change.after) for change in found.headers] == [("X-Campaign", None, "spring")]
    assert found.parts_added == ("terms.pdf (application/pdf)",)


def test_the_proof_counts_hunks_and_bytes_and_names_both_messages() -> None:
    a, b = b"one\r\ntwo\r\nthree\r\n", b"one\r\ntwwo\r\nthree\r\n"
    digests = [hashlib.sha256(each).hexdigest() for each in (a, b)]
    assert difference(a, b).proof == f"1 hunk, 1 bytes; all other bytes identical (sha256 {digests[0]}, {digests[1]})"
    assert difference(a, a).proof.startswith("0 hunks, 0 bytes; the messages are identical")


def test_a_subject_in_encoded_words_is_shown_decoded() -> None:
    found = difference(render(SHOP, EVERYTHING - {"merge:first_name"}, SEED), render(SHOP, EVERYTHING, SEED))
    assert ("there, 40% off Trail Shoe", "Ana, 40% off Trail Shoe") in [(c.before, c.after) for c in found.headers]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_can_be_compared(a: bytes, b: bytes) -> None:
    found = difference(a, b)
    assert found.text()
    assert found.as_object()["bytes"] == found.changed


def test_the_check_of_byte_honesty_notices_a_second_change() -> None:
    class Sloppy:
        """An expansion that changes a byte outside of the factor's places."""

        factors = SHOP.factors

        def trace(self, factors: frozenset[str], *rest: object) -> tuple[tuple[bytes, tuple[str, ...]], ...]:
            runs = SHOP.trace(factors, *rest)  # type: ignore[arg-type]
            return (*runs, (b"x" * len(factors), ()))

        def message(self, *args: object) -> object:
            return type("Made", (), {"content": b"".join(run for run, _ in self.trace(*args))})  # type: ignore[arg-type]

    with pytest.raises(AssertionError):
        assert_honest(Sloppy(), random.Random(1), SEED)  # type: ignore[arg-type]
