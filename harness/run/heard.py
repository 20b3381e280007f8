"""How long silence was listened to: only a silence during which every source could be read may count as acceptance.

Where answers come as bounces, time alone shows nothing: a mailbox that could not be read is silent as well. So a
reading of all sources that was complete, and began after a message's settle time, is noted among the run's happenings.
Pure: it reads facts and says what to note.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from harness.model.record import Happening, RunFacts, TrialRecord
from harness.model.trial import State

KIND = "heard"


def listened_until(facts: RunFacts) -> datetime | None:
    """Return when the last complete reading of all sources began; None if there was none."""
    return max((event.at for event in facts.happenings if event.kind == KIND), default=None)


def silence_until(facts: RunFacts, now: datetime) -> datetime:
    """Return the moment up to which silence is known to be silence: settle trials as of then, not as of now."""
    if facts.run.answers != "bounces":
        return now
    return min(now, listened_until(facts) or facts.run.started)


def to_note(facts: RunFacts, begun: datetime) -> Happening | None:
    """Return what a complete reading that began then adds: it settles a trial that no earlier reading settled."""
    if facts.run.answers != "bounces":
        return None
    before = listened_until(facts) or facts.run.started
    settle = timedelta(seconds=facts.run.settle)
    if any(before < due <= begun for due in (_left(trial) + settle for trial in facts.trials if _may_be_silent(trial))):
        return Happening(begun, KIND, "every source of bounces was read")
    return None


def is_settled(facts: RunFacts) -> bool:
    """Tell whether a run is over and all that it sent was listened to for long enough."""
    if facts.run.answers != "bounces":
        return True
    before = listened_until(facts) or facts.run.started
    settle = timedelta(seconds=facts.run.settle)
    over = facts.run.state in ("finished", "stopped")
    return over and all(_left(trial) + settle <= before for trial in facts.trials if _may_be_silent(trial))


def _may_be_silent(trial: TrialRecord) -> bool:
    """The relay took it, or may have taken it."""
    return trial.state is State.UNKNOWN or (trial.reply is not None and trial.reply.positive)


def _left(trial: TrialRecord) -> datetime:
    return trial.answered or trial.planned
