"""Text from outside is harmless wherever it is shown."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.clean import ascii_only, clean, clean_keeping_spaces, clean_lines
from tests.shared import examples

DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\r\nnext\tcell", "line next cell"),
        ("bell\x07 back\x08space null\x00", "bell backspace null"),
        ("\ud800lone", "lone"),
        ("ordinary – ümlaut 日本", "ordinary – ümlaut 日本"),
    ],
)
def test_escapes_controls_and_overrides_are_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@settings(max_examples=examples(1000))
@given(st.text(st.characters() | st.sampled_from("\x1b[]\x07\u202e\x9b;m0\u2028"), max_size=300))
def test_nothing_that_steers_a_terminal_or_a_reader_is_left(text: str) -> None:
    for shown in (clean(text), clean_keeping_spaces(text), *clean_lines(text)):
        assert not {unicodedata.category(character) for character in shown} & DANGEROUS
        assert "\n" not in shown


def test_five_megabytes_are_cut_quickly_and_said() -> None:
    begun = time.perf_counter()
    shown = clean("A" * 5_000_000, 500)
    lines = clean_lines("\x1b[" * 2_500_000)
    assert time.perf_counter() - begun < 0.5
    assert shown == "A" * 500 + "… (5,000,000 characters)"
    assert sum(map(len, lines)) < 2000


def test_left_out_lines_are_counted() -> None:
    assert clean_lines("a\nb\nc\nd", lines=2) == ("a", "b", "… (2 more lines)")


@given(st.text())
def test_ascii_is_ascii(text: str) -> None:
    assert ascii_only(text).isascii()
