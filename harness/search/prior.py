"""Priors: how likely a factor is to be the cause before anything is sent, by its kind and by what the user knows."""

from __future__ import annotations

from harness.model.factor import Factor
from harness.model.problem import Problem

# How reliably triggers fire, and how likely each strength is beforehand.
FIRES = ((0.35, 0.07), (0.55, 0.08), (0.65, 0.09), (0.75, 0.12), (0.85, 0.15), (0.93, 0.18), (0.995, 0.31))

# Link hosts and redirects are what filters look at first; subjects and copy rarely do it alone.
KIND_WEIGHTS = {
    "redirect": 4.0,
    "link": 3.0,
    "swap": 3.0,
    "attachment": 2.0,
    "image": 1.5,
    "pixel": 1.5,
    "merge": 1.5,
    "preheader": 0.5,
}


def weight_of(problem: Problem, factor: Factor) -> float:
    """Return a factor's prior weight: that of its kind, times what a triage or the user says of it."""
    return KIND_WEIGHTS.get(factor.kind, 1.0) * max(problem.weights.get(factor.id, 1.0), 1e-3)
