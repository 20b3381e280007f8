"""The search's view of a run: the problem, built from what the ledger holds and from nothing else."""

from __future__ import annotations

from harness.model.problem import Problem, Tester
from harness.model.record import RunRecord


def frame(run: RunRecord) -> Problem:
    """Return the problem that a run works on; the same for a resumed run and for a report made later."""
    testers = tuple(
        Tester(
            id=seed.address,
            domain=seed.domain,
            values=dict(run.values.get(seed.address, {})),
            wears=frozenset(run.wears[seed.address]) if seed.address in run.wears else None,
        )
        for seed in run.segment.seeds
    )
    return Problem(
        factors=run.factors,
        seeds=testers,
        budget=run.budget,
        shuffle_key=run.shuffle_key,
        weights=dict(run.weights),
        together=run.together,
        transactional=run.transactional,
        exact_first=bool(run.options.get("exact")),
    )
