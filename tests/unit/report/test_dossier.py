"""The evidence archive: complete, consistent, redacted, and able to reproduce the refusal."""

import hashlib
import json
import shlex
from email import message_from_bytes, policy

import pytest

from harness.report.dossier import Originals, checksums, dossier, reproduce
from harness.report.letter import AUDIENCES, Letterhead, letter
from harness.report.pairs import first_refused, proved_pairs, smallest_refused
from harness.report.redact import redactor
from harness.report.told import Told
from tests.stories import ALL, PARTNER, hostile, inconclusive, messages_of, nothing, pair, sender, trigger

BOUNCE = b"Content-Type: text/plain\n\n554 5.7.1 [CS01] for seed-01@seeds.example\n"


def files(told: Told, redact: bool = True, **options: object) -> dict[str, bytes]:
    messages = messages_of(told.facts)
    originals = Originals(
        messages.__getitem__,
        lambda token: [f"C: RCPT TO:<seed-01@seeds.example>\nS: 554 5.7.1 [CS01] {token}"],
        lambda token: [BOUNCE],
    )
    return dossier(told, originals, hide=redactor(told.facts) if redact else None, **options)  # type: ignore[arg-type]


def test_an_archive_holds_what_was_promised() -> None:
    made = files(trigger())
    assert set(made) >= {
        *("README.txt", "letter-apple.txt", "letter-esp.txt", "letter-engineer.txt", "replies.txt", "transcript.txt"),
        *("pair/1-accepted.eml", "pair/1-refused.eml", "rejected/exact.eml", "rejected/smallest.eml", "reproduce.txt"),
        *("unsuppress.csv", "trials.csv", "run.json", "SHA256SUMS"),
    }
    assert sum(name.startswith("replies/") for name in made) == 16


def test_one_audience_gets_one_letter() -> None:
    made = files(trigger(), audiences=("apple",))
    assert [name for name in made if name.startswith("letter")] == ["letter-apple.txt"]


def test_checksums_hold_for_every_file() -> None:
    made = files(trigger())
    lines = dict(reversed(line.split("  ", 1)) for line in made.pop("SHA256SUMS").decode().splitlines())
    assert lines == {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    assert checksums({}) == ""


@pytest.mark.parametrize("name", ALL)
def test_redacted_archives_name_no_seed(name: str) -> None:
    for file, content in files(ALL[name]()).items():
        assert b"@seeds.example" not in content.replace(b".redacted@seeds.example", b""), file
        assert b"Name 1" not in content, file


def test_message_ids_survive_redaction_and_originals_stay_whole_without_it() -> None:
    told = trigger()
    child = proved_pairs(told.facts, told.settled, told.verdict)[0].child
    assert child.message_id.encode() in files(told)["pair/1-refused.eml"]
    assert files(told, redact=False)["pair/1-refused.eml"] == messages_of(told.facts)[child.token]


def test_the_pair_is_one_change_apart_to_one_seed_in_one_block() -> None:
    told = trigger()
    (found,) = proved_pairs(told.facts, told.settled, told.verdict)
    assert found.child.ask.factors - found.parent.ask.factors == {PARTNER}
    assert (found.child.ask.seed, found.child.ask.block) == (found.parent.ask.seed, found.parent.ask.block)
    assert told.differences[0].proof.startswith("1 hunk, ")
    assert any("go.partner.example" in line for _, _, new in told.differences[0].parts for line in new)


def test_a_pair_of_causes_has_a_pair_of_messages_for_each() -> None:
    told = pair()
    assert [one.factor for one in proved_pairs(told.facts, told.settled, told.verdict)] == [PARTNER, "merge:first_name"]


def test_the_smallest_refused_message_has_the_fewest_things_in_production() -> None:
    told = inconclusive()
    smallest, largest = smallest_refused(told.facts, told.settled), first_refused(told.facts, told.settled)
    assert smallest is not None
    assert largest is not None
    assert len(smallest.ask.factors) == 7
    assert largest.ask.factors == frozenset(factor.id for factor in told.facts.run.factors)


def test_reproducing_is_one_command_for_swaks_and_one_for_the_harness() -> None:
    told = trigger()
    trial = smallest_refused(told.facts, told.settled)
    assert trial is not None
    text = reproduce(told, trial, redacted=True)
    swaks = next(line for line in text.splitlines() if line.strip().startswith("swaks "))
    assert shlex.split(swaks)[-2:] == ["--data", "@rejected/smallest.eml"]
    assert "harness import rejected/smallest.eml" in text
    assert "harness run smallest --exact" in text
    assert trial.sha256 in text
    assert "redacted" not in reproduce(told, trial, redacted=False)


def test_nothing_refused_leaves_an_archive_without_messages() -> None:
    made = files(nothing())
    assert "reproduce.txt" not in made
    assert made["replies.txt"] == b"Nothing was refused.\n"
    assert json.loads(made["run.json"])["verdict"]["kind"] == "none"


def test_apples_letter_has_the_five_things_and_invents_none() -> None:
    text = letter(trigger(), "apple")
    for number, words in enumerate(
        ("Company", "Email domain: shop.example", "IP addresses", "SMTP errors", "Descrip"), 1
    ):
        assert f"{number}. {words}" in text
    assert "[company name]" in text
    assert "[IP addresses; your provider knows them]" in text
    assert "554 5.7.1 [CS01] Message rejected due to local policy." in text
    assert "2026-11-20 09:" in text
    head = Letterhead("Shop GmbH", "Ana, postmaster@shop.example", ("192.0.2.8", "192.0.2.9"))
    filled = letter(trigger(), "apple", head)
    assert "1. Company: Shop GmbH" in filled
    assert "192.0.2.8, 192.0.2.9" in filled
    assert "[company name]" not in filled


def test_the_esps_letter_asks_for_the_pool() -> None:
    text = letter(sender(), "esp")
    for words in ("IP addresses", "shared", "PTR", "reputation", "delisting", "dedicated IP", "suppression"):
        assert words in text
    assert "Content is not to blame" in text


@pytest.mark.parametrize("audience", AUDIENCES)
def test_letters_are_harmless_and_of_bounded_size(audience: str) -> None:
    text = letter(hostile(), audience)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 20_000


def test_redacted_messages_are_messages_still() -> None:
    made = files(trigger())
    mail = message_from_bytes(made["rejected/smallest.eml"], policy=policy.default)
    assert mail["To"] == "seed-01.redacted@seeds.example"
    assert "go.partner.example" in mail.get_content()
