"""Needs and blocks: what stands in what, and which words go together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.campaign.blocks import MOST, align, copy_of, group
from harness.campaign.needs import Nesting
from harness.campaign.wire import Span

KINDS = st.sampled_from(["text:1", "text:2", "link:a", "link:b", "section:s", "merge:m"])


def trees(depth: int = 3) -> st.SearchStrategy[Span]:
    inner = st.lists(trees(depth - 1), max_size=2) if depth else st.just([])
    return st.builds(lambda owner, children: Span(owner, tuple(children), (b"-",)), KINDS, inner)


@given(st.lists(trees(), max_size=4))
def test_needs_never_run_in_a_circle_and_hold_what_they_hold(made: list[Span]) -> None:
    nesting = Nesting()
    nesting.add(made)
    needs = nesting.needs()
    for name, others in needs.items():
        assert name not in others
        for other in others:
            assert needs[other] <= others


def test_a_factor_needs_what_any_of_its_places_stands_in() -> None:
    nesting = Nesting()
    link = Span("link:a", (b"x",))
    worn = nesting.add([Span("html", (Span("text:1", (link,)),)), Span("section:s", (link,))])
    assert nesting.needs()["link:a"] == {"html", "text:1", "section:s"}
    assert worn == {"html", "text:1", "section:s", "link:a"}


def test_what_changes_nothing_is_idle() -> None:
    nesting = Nesting()
    nesting.add([Span("link:a", (b"x",)), Span("link:b", (b"x",), (b"x",))])
    assert nesting.idle() == {"link:b"}


@given(st.lists(st.tuples(st.text("ab ", max_size=30), st.booleans()), max_size=60))
def test_blocks_are_few_and_follow_each_other(rows: list[tuple[str, bool]]) -> None:
    numbers = group([copy_of(text, heading) for text, heading in rows])
    assert len(numbers) == len(rows)
    assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1))
    assert numbers == sorted(numbers)
    assert len(set(numbers)) <= MOST


def test_paragraphs_of_the_text_part_go_to_the_block_whose_words_they_share() -> None:
    blocks = [["spring", "sale"], ["shoes", "light", "green"], ["unsubscribe", "address"]]
    text = ["Spring sale!", "Our shoes are green", "so light", "To unsubscribe write to our address"]
    assert align(blocks, [copy_of(paragraph) for paragraph in text]) == [1, 2, 2, 3]
