"""The past: what the ledger knows of seeds before a new run. A sandbox is no past: nothing left the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from harness.check.seedling import UNREGISTERED, SeedPast
from harness.edge.config import Workspace
from harness.edge.ledger import Ledger
from harness.judge.settle import settle_run
from harness.model.answer import Level
from harness.model.outcome import Settled
from harness.model.record import RunFacts, RunRecord, TrialRecord
from harness.model.relay import Relay
from harness.model.seed import Segment
from harness.model.trial import Outcome
from harness.run.conclude import Read
from harness.run.heard import silence_until


def history(workspace: Workspace, segment: Segment, now: datetime) -> tuple[list[RunFacts], dict[str, int]]:
    """Return all runs, oldest first, and how many messages of today's cap each seed has had."""
    if not workspace.ledger_path.is_file():
        return [], {}
    with Ledger.open(workspace.ledger_path, create=False) as ledger:
        sent = {seed.address: ledger.sent_today(seed.address, now.date()) for seed in segment.seeds}
        return [ledger.facts(run.id) for run in ledger.runs()], sent


def past_of(
    segment: Segment, relay: Relay, runs: Sequence[RunFacts], sent: Mapping[str, int], *, now: datetime, read: Read
) -> dict[str, SeedPast]:
    """Say of each seed what earlier runs came to: suppressed, or refused for reasons of the recipient.

    A message that was accepted since takes both back: the suppression at the relay that carried it, for each
    provider keeps a list of its own, and the refusals, for the mailbox takes mail.
    """
    names = {seed.address.casefold(): seed.address for seed in segment.seeds}
    refused: dict[str, Counter[str]] = {address: Counter() for address in names.values()}
    last: dict[str, str] = {}
    suppressed: dict[str, dict[str, str]] = {address: {} for address in names.values()}  # relay -> run
    for run, trial, said in _in_order(runs, now, read):
        address = names.get(trial.recipient.casefold())
        if address is None:
            continue
        where = f"run {run.id}"
        through = relay.name if run.went_through(relay) else f"{run.relay} ({run.relay_facts.get('host', 'no host')})"
        if said.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
            suppressed[address].pop(through, None)
            refused[address].clear()
        elif said.cause == "suppressed":
            suppressed[address][through] = where
        elif said.level is Level.RECIPIENT or said.cause == UNREGISTERED:
            refused[address][said.cause] += 1
            last[address] = where
    return {
        address: SeedPast(
            sent.get(address, 0),
            suppressed[address].pop(relay.name, ""),
            tuple(f"relay {name}, {where}" for name, where in suppressed[address].items()),
            dict(refused[address]),
            last.get(address, ""),
        )
        for address in names.values()
    }


def _in_order(runs: Sequence[RunFacts], now: datetime, read: Read) -> Iterator[tuple[RunRecord, TrialRecord, Settled]]:
    """Give what left the machine, in the order in which it left: runs may overlap."""
    real = [facts for facts in runs if facts.run.relay_facts.get("kind") != "sandbox"]
    settled = {facts.run.id: settle_run(facts, now=silence_until(facts, now), read=read) for facts in real}
    tried = [
        (trial.attempts[-1].begun or trial.planned, facts, trial)
        for facts in real
        for trial in facts.trials
        if trial.attempts
    ]
    for _, facts, trial in sorted(tried, key=lambda one: one[0]):
        yield facts.run, trial, settled[facts.run.id][trial.token]
