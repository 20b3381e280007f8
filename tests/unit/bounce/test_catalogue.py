from pathlib import Path

from harness.bounce.catalogue import explain, page
from harness.bounce.reply import read_reply
from harness.bounce.rules import RULES

PAGE = Path(__file__).parents[3] / "docs/replies.md"


def test_the_page_of_replies_is_up_to_date() -> None:
    """`python -m harness.bounce.catalogue > docs/replies.md` makes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_names_every_class_and_tag() -> None:
    text = page()
    assert all(f"`{name}`" in text for name in RULES.causes)
    assert all(name in text for name in RULES.tags)


def test_a_disputed_tag_is_shown_as_disputed_with_its_sources() -> None:
    meaning = explain(read_reply("554 5.7.1 [CS02] Message rejected due to local policy"))
    assert "Disputed (low confidence)" in meaning.dispute
    assert "phishing_policy" in meaning.dispute
    assert meaning.sources


def test_an_undisputed_reply_is_explained_without_doubt() -> None:
    meaning = explain(read_reply("552 5.2.2 <a@b.example>: user is over quota"))
    assert meaning.dispute == ""
    assert "left out" in meaning.evidence
    assert meaning.sources == ("rule mailbox-full of harness/bounce/rules.yaml",)
