"""Going on: what an operator who resumes a stopped run has settled, and the caps that they set anew.

A stop rule asks for a person. Who resumes says that the cause is put right; what was heard before that moment must not
stop the run again, and what is heard after it must. Pure: it reads the ledger's facts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from harness.model.problem import Budget
from harness.model.record import Happening, RunFacts, TrialRecord

RESUME = "resume"
CAPS = {"sends": "cap-messages", "refusals": "cap-refusals"}  # what of the budget -> kind of happening


def going_on(now: datetime, stopped: bool, sends: int | None, refusals: int | None) -> list[Happening]:
    """Return what to note when a run is resumed: the resume of a stopped one, and new caps."""
    notes = [Happening(now, RESUME, "resumed after a stop")] if stopped else []
    if sends is not None:
        notes.append(Happening(now, CAPS["sends"], f"at most {sends} messages in all", sends))
    if refusals is not None:
        notes.append(Happening(now, CAPS["refusals"], f"at most {refusals} refusals in all", refusals))
    return notes


def caps_of(facts: RunFacts) -> Budget:
    """Return the run's budget, with the caps that were set last."""
    caps = {name: event.ticks for name, kind in CAPS.items() for event in facts.happenings if event.kind == kind}
    return replace(facts.run.budget, **caps)


def since_resumed(facts: RunFacts) -> tuple[TrialRecord, ...]:
    """Return the trials with only what was said since the last resume of a stopped run."""
    moment = max((event.at for event in facts.happenings if event.kind == RESUME), default=None)
    if moment is None:
        return facts.trials
    return tuple(_since(trial, moment) for trial in facts.trials)


def _since(trial: TrialRecord, moment: datetime) -> TrialRecord:
    attempts = tuple(one for one in trial.attempts if one.begun is not None and one.begun >= moment)
    answers = tuple(one for one in trial.answers if attempts or (one.time is not None and one.time >= moment))
    return replace(trial, attempts=attempts, answers=answers)
