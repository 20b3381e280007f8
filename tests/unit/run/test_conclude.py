"""What a run says of itself before it has come to its end."""

from datetime import UTC, datetime
from types import SimpleNamespace

from harness.model.problem import Belief, Pause
from harness.model.record import Happening
from harness.run.conclude import _unfinished

WHY = "seed-03@seeds.example has had 2 of 2 messages today, until 2026-11-21 00:00 UTC"
BELIEF = Belief()


def test_a_run_that_was_left_waiting_says_for_what_and_until_when() -> None:
    facts = SimpleNamespace(
        run=SimpleNamespace(id="r1", state="waiting"),
        happenings=(Happening(datetime(2026, 11, 20, tzinfo=UTC), "wait", WHY),),
    )
    finding = _unfinished(facts, {}, Pause(1, "x"), BELIEF)  # type: ignore[arg-type]
    assert finding.missing == f"the run waits: {WHY}; `harness run --resume r1` goes on then"
