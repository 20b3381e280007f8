"""An answer finds its trial by what is signed; what is made up finds none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.answer import Source
from harness.run.match import By, Index, Match, match
from harness.run.token import make_token
from tests.shared import examples
from tests.unit.run.builders import KEY, a_trial, an_answer, an_attempt

TOKEN = make_token(KEY, "r7q2", 3)
OTHER = make_token(KEY, "r7q2", 4)
FORGED = make_token(b"someone else's key.", "r7q2", 3)
INDEX = Index.of(
    [
        ("r7q2", a_trial(TOKEN, attempts=(an_attempt("4bKx7Z"),))),
        ("r7q2", a_trial(OTHER, message_id="<own-form@shop.example>", attempts=(an_attempt("4bKx80"),))),
    ]
)


@pytest.mark.parametrize(
    ("field", "text", "by"),
    [
        ("envelope_recipient", "bounces+{}@mail.shop.example", By.VERP),
        ("envelope_id", "{}", By.ENVID),
        ("trial", "{}", By.HEADER),
        ("message_id", "{}@mail.shop.example", By.MESSAGE_ID),
    ],
)
def test_a_token_is_recognised_in_each_place_that_carries_it(field: str, text: str, by: By) -> None:
    answer = an_answer(**{field: text.format(TOKEN)})
    assert match(answer, KEY, INDEX) == Match(by, TOKEN, "r7q2")
    assert match(an_answer(**{field: text.format(FORGED)}), KEY, INDEX) == Match(By.FORGED)


def test_a_token_in_a_providers_metadata_is_called_so() -> None:
    assert match(an_answer(source=Source.EVENT, trial=TOKEN), KEY, INDEX).by is By.METADATA


def test_the_envelope_goes_before_everything_else() -> None:
    answer = an_answer(envelope_recipient=f"bounces+{TOKEN}@mail.shop.example", message_id=f"{OTHER}@x.example")
    assert match(answer, KEY, INDEX).token == TOKEN


def test_a_message_id_without_token_is_looked_up_whole() -> None:
    assert match(an_answer(message_id="Own-Form@shop.example"), KEY, INDEX) == Match(By.MESSAGE_ID, OTHER, "r7q2")


def test_a_queue_id_counts_with_its_recipient_only() -> None:
    known = an_answer(queue_id="4BKX7Z", recipient="Seed-01@seeds.example")
    assert match(known, KEY, INDEX) == Match(By.QUEUE_ID, TOKEN, "r7q2")
    assert match(an_answer(queue_id="4bKx7Z", recipient="b@seeds.example"), KEY, INDEX) == Match(By.NOTHING)
    assert match(an_answer(queue_id="4bKx7Z"), KEY, INDEX) == Match(By.NOTHING)


def test_beside_a_forged_token_the_unsigned_things_count_for_nothing() -> None:
    answer = an_answer(
        envelope_recipient=f"bounces+{FORGED}@mail.shop.example",
        message_id="own-form@shop.example",
        queue_id="4bKx7Z",
        recipient="seed-01@seeds.example",
    )
    assert match(answer, KEY, INDEX) == Match(By.FORGED)


def test_a_signed_token_beside_a_forged_one_is_believed() -> None:
    answer = an_answer(envelope_recipient=f"bounces+{FORGED}@mail.shop.example", trial=TOKEN)
    assert match(answer, KEY, INDEX) == Match(By.HEADER, TOKEN, "r7q2")


def test_a_token_of_ours_that_the_ledger_lost_is_named_as_such() -> None:
    answer = an_answer(trial=make_token(KEY, "gone", 1))
    assert match(answer, KEY, INDEX) == Match(By.UNKNOWN_TRIAL, None, "gone")


def test_what_two_trials_share_names_neither() -> None:
    same = {"message_id": "<same@shop.example>", "attempts": (an_attempt("Q1"),)}
    index = Index.of([("r", a_trial(TOKEN, **same)), ("r", a_trial(OTHER, **same))])
    assert match(an_answer(message_id="same@shop.example"), KEY, index) == Match(By.NOTHING)
    assert match(an_answer(queue_id="Q1", recipient="seed-01@seeds.example"), KEY, index) == Match(By.NOTHING)


@settings(max_examples=examples(2000))
@given(st.fixed_dictionaries({name: st.none() | st.text(max_size=80) for name in
       ("envelope_recipient", "envelope_id", "trial", "message_id", "queue_id", "recipient")}))  # fmt: skip
def test_made_up_words_never_reach_a_trial(fields: dict[str, str | None]) -> None:
    assert match(an_answer(**fields), KEY, INDEX).token is None
