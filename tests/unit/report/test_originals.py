"""Raw bounces come from the ledger's file as they were read."""

from pathlib import Path

from harness.edge.ledger import Ledger
from harness.edge.originals import raw_answers
from tests.integration.ledger_nouns import a_run, an_answer, at, planned


def test_raw_answers_of_a_trial_come_word_for_word_in_reading_order(tmp_path: Path) -> None:
    path = tmp_path / "ledger # odd name.sqlite"
    with Ledger.open(path) as ledger:
        ledger.create_run(a_run())
        planned(ledger, "t0")
        ledger.hear("r1", an_answer("t0"), "t0", "imap:1:7", b"Action: delayed\r\n", at(61))
        ledger.hear("r1", an_answer("t0"), "t0", "imap:1:9", b"Action: failed\r\n\x00\xff", at(62))
        ledger.hear("r1", an_answer(), None, "imap:1:8", b"another's", at(63))
        assert raw_answers(path, "t0") == [b"Action: delayed\r\n", b"Action: failed\r\n\x00\xff"]
        assert raw_answers(path, "t1") == []
