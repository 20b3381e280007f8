"""The comparison on the terminal, as JSON and as a page: the same rows, harmless, at any width."""

import json
import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.comparison_text import comparison_object, comparison_page, comparison_screen
from tests.shared import examples
from tests.stories import PARTNER, comparison

MADE = comparison()


def test_what_else_changed_is_said_before_any_row() -> None:
    text = comparison_screen(MADE, width=120)
    assert text.index("the template") < text.index("By factor") < text.index("Production by Apple domain")
    page = comparison_page([MADE])
    assert page.index("What else changed") < page.index("By factor")


def test_formats_agree() -> None:
    (told,) = json.loads(json.dumps(comparison_object([MADE])))["comparisons"]
    assert [row["name"] for row in told["rows"]] == [row.name for row in MADE.rows]
    assert next(row for row in told["rows"] if row["name"] == PARTNER)["change"] == "better"
    page, text = comparison_page([MADE]), comparison_screen(MADE, width=200)
    for row in MADE.rows:
        assert row.name in page
        assert row.name in text
    assert len(re.findall(r"▼ better", page)) == sum(row["change"] == "better" for row in told["rows"])


@settings(max_examples=examples(100))
@given(st.integers(24, 200))
def test_a_narrow_terminal_gets_lines_instead_of_columns(width: int) -> None:
    assert max(map(len, comparison_screen(MADE, width=width).splitlines())) <= width


def test_two_other_changes_are_a_warning_on_the_page() -> None:
    page = comparison_page([replace(MADE, others=("merge values", "the relay"))])
    assert "Two runs that differ in two things prove neither." in page
    assert "prove neither" not in comparison_page([MADE])


def test_hostile_names_stay_harmless() -> None:
    bad = "<script>alert(1)</script>\x1b[31m\u202e"
    spoilt = replace(MADE, others=(bad,), rows=(replace(MADE.rows[0], name=bad),), summary=bad)
    page, text = comparison_page([spoilt], {bad: bad}), comparison_screen(spoilt)
    assert "<script" not in page
    for shown in (page, text):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
