"""CSV: one row for each message, no formula, and the list for an ESP to lift."""

import csv
import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.bounce.reply import read_reply
from harness.model.answer import Answer, Kind, Source
from harness.report.sheet import trials_csv, written
from harness.report.told import Told
from harness.report.unsuppress import unsuppress_csv
from tests.builders import CS01, answer, reading
from tests.stories import ALL, hostile, nothing, stopped, told, trigger


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_there_is_one_row_for_each_trial_of_every_story() -> None:
    for story in (trigger(), stopped(), ALL["one-variant"]()):
        made = rows(trials_csv(story))
        assert [row["number"] for row in made] == [str(trial.number) for trial in story.facts.trials]
        assert {row["message_id"] for row in made} == {trial.message_id for trial in story.facts.trials}


def test_a_row_holds_the_reply_as_received_with_its_class() -> None:
    refused = next(row for row in rows(trials_csv(trigger())) if row["outcome"] == "rejected")
    assert (refused["code"], refused["tag"], refused["class"]) == ("554", "CS01", "content_policy")
    assert refused["reply"] == f"554 {CS01}"
    assert refused["arm"] in ("", "child")
    assert refused["sent_at"] < refused["answered_at"]


@given(st.lists(st.text(max_size=30), min_size=3, max_size=3))
def test_no_cell_is_a_formula_and_every_row_can_be_read_back(cells: list[str]) -> None:
    (row,) = rows(written(("a", "b", "c"), [cells]))
    assert set(row) == {"a", "b", "c"}
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in row.values())


def test_five_megabytes_of_reply_leave_a_small_sheet() -> None:
    assert len(trials_csv(hostile())) < 200_000


def suppressed(cause: str) -> Told:
    """Seed 1 was refused for content, then dropped by the provider; seed 2 for `cause`, then dropped."""
    story = nothing()
    trials = list(story.facts.trials)
    gone = answer(Kind.SUPPRESSED, read_reply("suppressed"), Source.EVENT, provider="sendgrid")
    for place, read in ((0, reading()), (1, read_reply(cause))):
        trials[place] = replace(trials[place], answers=(answer(Kind.BOUNCE, read, Source.EVENT, provider="sendgrid"),))
        trials[place + 8] = replace(trials[place + 8], answers=(gone,))
    run = replace(story.facts.run, answers="bounces")
    from harness.model.verdict import Finding, VerdictKind

    return told(replace(story.facts, run=run, trials=tuple(trials)), Finding(VerdictKind.INCONCLUSIVE))


def test_only_suppressions_after_content_refusals_are_to_be_lifted() -> None:
    (row,) = rows(unsuppress_csv(suppressed("550 5.1.1 unknown user")))
    assert (row["address"], row["provider"], row["tag"]) == ("seed-01@seeds.example", "sendgrid", "CS01")


def test_a_run_without_suppressions_has_an_empty_list() -> None:
    assert rows(unsuppress_csv(trigger())) == []


def test_customers_come_from_the_events_of_a_production_send() -> None:
    """Refused for content: to be lifted. Gone, or complained: never."""

    def heard(address: str, kind: Kind, words: str = f"554 {CS01}") -> Answer:
        return answer(kind, read_reply(words), Source.EVENT, recipient=address, provider="sendgrid")

    events = [
        heard("Ana@customer.example", Kind.BOUNCE),
        heard("ana@customer.example", Kind.SUPPRESSED, "dropped"),
        heard("bo@customer.example", Kind.BOUNCE, "550 5.1.1 unknown user"),
        heard("bo@customer.example", Kind.SUPPRESSED, "dropped"),
        heard("cy@customer.example", Kind.BOUNCE),
        heard("cy@customer.example", Kind.COMPLAINT, "abuse"),
        heard("di@customer.example", Kind.DELIVERED, "250 ok"),
    ]
    (row,) = rows(unsuppress_csv(trigger(), events))
    assert (row["address"], row["provider"], row["tag"]) == ("ana@customer.example", "sendgrid", "CS01")
    assert row["suppressed_at"]
