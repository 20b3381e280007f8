"""Outline: how much a run could send at most, and what caps allow today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from harness.edge.config import Workspace
from harness.model.factor import Stage
from harness.model.relay import Answers
from harness.model.variant import Identity
from harness.run.prepare import Prepared
from harness.run.token import make_token

SAMPLE_KEY = b"a key for messages that are only shown"


def most(prepared: Prepared) -> dict[str, int]:
    """Return the most messages that the ladder and the adaptive strategy would send without a cap.

    The ladder sends each rung once to each seed, with as many controls, and proves what is refused.
    """
    seeds = len(prepared.segment.seeds)
    rungs = len(prepared.run.ladder)
    proof = 6 * seeds
    return {"ladder": rungs * seeds + (rungs - 1) * max(1, seeds // 4) + proof, "adaptive": 60 + 6 * (rungs - 1)}


def limits(workspace: Workspace, prepared: Prepared) -> list[str]:
    """Say in sentences what would be sent at most, how long it takes, and what the caps allow."""
    seeds = prepared.segment.seeds
    counts = most(prepared)
    lines = [
        f"{len(prepared.expansion.factors)} factors, {len(seeds)} seeds of segment {prepared.segment.name}: at most "
        f"{counts['ladder']} messages with --strategy ladder, at most {counts['adaptive']} with adaptive "
        "(usually 20 to 50).",
    ]
    stages = [stage.value for stage in Stage if any(factor.stage is stage for factor in prepared.expansion.factors)]
    lines.append(f"Stages: {', '.join(stages)}.")
    if prepared.relay.kind == "sandbox":
        lines.append("Relay sandbox: a rehearsal; daily caps do not count there.")
        return lines
    cap = prepared.segment.daily_cap
    left = {seed.address: max(0, cap - sent_today(workspace, seed.address)) for seed in seeds}
    total = sum(left.values())
    lines.append(
        f"Daily cap: {cap} messages a seed and day, over all runs; {total} are left today "
        f"({min(left.values())} to {max(left.values())} a seed)."
    )
    days = -(-counts["ladder"] // max(1, cap * len(seeds)))
    lines.append(f"The whole ladder would take up to {days} day{'s' * (days != 1)} under this cap.")
    pace = prepared.relay.pace
    if pace.per_hour:
        lines.append(f"Pace: a message every {pace.gap:g} s, at most {pace.per_hour} an hour.")
    if prepared.relay.answers is Answers.BOUNCES:
        lines.append(f"Answers come as bounces: silence counts as acceptance after {prepared.relay.settle:g} s.")
    return lines


def sent_today(workspace: Workspace, address: str) -> int:
    """Return how many messages a seed got today over all runs; 0 where there is no ledger yet."""
    from harness.edge.ledger import Ledger

    if not workspace.ledger_path.is_file():
        return 0
    with Ledger.open(workspace.ledger_path) as ledger:
        return ledger.sent_today(address, datetime.now(UTC).date())


def sample_identity(prepared: Prepared) -> Identity:
    """Return one fixed identity for messages that are only looked at: all of them alike but for their change."""
    from email.utils import format_datetime

    token = make_token(SAMPLE_KEY, "000000-0000-plan", 0)
    day = datetime(2026, 1, 15, 9, 30, tzinfo=UTC) + timedelta(0)
    return Identity(token, format_datetime(day), prepared.segment.seeds[0].address)
