"""The terminal report at any width, and harmless."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.screen import screen, share
from tests.shared import examples
from tests.stories import ALL, hostile, inconclusive, stopped, trigger

TOLD = {name: story() for name, story in ALL.items()}


@settings(max_examples=examples(200))
@given(st.integers(24, 240), st.sampled_from(sorted(TOLD)))
def test_no_line_is_wider_than_the_terminal(width: int, name: str) -> None:
    for line in screen(TOLD[name], width=width).splitlines():
        assert len(line) <= width, line


@pytest.mark.parametrize("name", TOLD)
def test_every_story_says_verdict_and_next_step_last(name: str) -> None:
    text = screen(TOLD[name], width=120)
    assert "Verdict: " in text
    assert text.index("Verdict: ") < text.index("Next step: ")


def test_a_wide_terminal_has_the_designed_columns() -> None:
    text = screen(trigger(), width=120)
    assert text.splitlines()[2].split() == [
        *("stage", "variant", "the", "change", "sent", "accepted", "rejected", "censored", "tags")
    ]
    assert "+ link to go.partner.example/a" in text
    assert "CS01 16" in text
    assert "95 % interval" in text


def test_rare_outcomes_are_shown_where_they_happen() -> None:
    text = screen(stopped(), width=120)
    assert "5 censored" in text or "6 censored" in text
    assert "Likeliest so far" in screen(inconclusive(), width=120)


def test_hostile_text_steers_no_terminal() -> None:
    text = screen(hostile(), width=80)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert len(text) < 20_000


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert screen(hostile(), width=80, ascii_=True).isascii()


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0 %"), (0.00001, "<0.1 %"), (0.012, "1.2 %"), (0.0996, "10 %"), (1.0, "100 %")]
)
def test_shares_keep_a_decimal_only_where_small(value: float, words: str) -> None:
    assert share(value) == words
