"""Play: one problem through the product's own search and judge, against the oracle.

The search sees `Oracle.view` and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.isolation.oracle import BLOCKED, CS01, RATE, UNKNOWN, Oracle, grade
from harness.judge.weigh import weigh
from harness.model.answer import Evidence
from harness.model.factor import KIND_STAGES, Factor, Stage
from harness.model.problem import Budget, Pause, Problem, Stop, Tester
from harness.model.trial import Ask, Observation, Outcome
from harness.model.verdict import Finding, Verdict, VerdictKind
from harness.search import strategy

KINDS = {"link_host": "link", "reply_to": "reply-to", "envelope": "envelope-sender"}
REPUTATION = ("reputation", Evidence.CONDITIONAL)
POLICY = ("content_policy", Evidence.STRONG)
PATIENCE = (2, 4, 8, 16, 32, 64, 128)  # ticks to wait after a 421


@dataclass
class Game:
    """One problem, played."""

    problem: dict[str, Any]
    replica: int = 0
    strategy: str = "adaptive"
    refusal_price: float = 8.0
    batch: int = 1
    observations: list[Observation] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    finding: Finding | None = None
    verdict: Verdict | None = None
    rounds: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    choices: int = 0

    def play(self) -> dict[str, Any]:
        """Play to the verdict and return the result row."""
        self.oracle = Oracle(self.problem, self.replica)
        task = problem_of(self.oracle.view, self.refusal_price, self.batch)
        player = strategy(self.strategy)
        counts: dict[tuple[frozenset[str], str, str | None], int] = {}
        while True:
            began = time.perf_counter()
            move = player.next(task, self.observations, self.pauses)
            took = time.perf_counter() - began
            self.seconds, self.choices, self.slowest = self.seconds + took, self.choices + 1, max(self.slowest, took)
            if isinstance(move, Stop):
                break
            if isinstance(move, Pause):
                self.oracle.wait(move.ticks)
                self.pauses.append(move)
                continue
            self.rounds += 1
            for ask in move.asks:
                key = (ask.factors, ask.seed, ask.values_of)
                counts[key] = counts.get(key, -1) + 1
                self.observations.append(self._send(ask, counts[key]))
        self.finding = move.finding
        self.verdict = weigh(move.finding, task.factors, self.observations, seeds=task.seeds)
        return self._row(task)

    def _send(self, ask: Ask, repetition: int) -> Observation:
        place = places(self.oracle.view)
        variant = {place[name] for name in ask.factors}
        for ticks in PATIENCE:
            heard = self.oracle.send(variant, ask.seed, ask.values_of)
            if heard.code != RATE:
                break
            self.oracle.wait(ticks)
        outcome, cause, evidence, tag = Outcome.ACCEPTED, "accepted", Evidence.NONE, None
        if heard.code in (CS01, BLOCKED):
            outcome, (cause, evidence) = Outcome.REJECTED, POLICY if heard.code == CS01 else REPUTATION
            tag = "CS01" if heard.code == CS01 else None
        elif heard.code in (UNKNOWN, RATE):
            outcome, cause = Outcome.CENSORED, "unknown_user" if heard.code == UNKNOWN else "rate_limited"
        return Observation(
            ask, outcome, cause, evidence, tag, repetition, float(heard.tick), number=len(self.observations)
        )

    def _row(self, task: Problem) -> dict[str, Any]:
        stats = self.oracle.stats()
        assert self.verdict is not None
        told = grade(self.problem, spoken(self.verdict, places(self.oracle.view)), stats)
        return {
            "id": self.problem["id"],
            "class": self.problem["class"],
            "replica": self.replica,
            "outcome": told["outcome"],
            "sends": stats["sends"] - stats["deferred"],
            "rejections": stats["rejections"],
            "scope_ok": told["scope_ok"],
            "fix_ok": told["fix_ok"],
            "unclosed": stats["unclosed"],
            "ms_per_choice": round(1000 * self.seconds / self.choices, 3),
            "ms_slowest": round(1000 * self.slowest, 1),
            "tier": self.problem.get("tier", ""),
            "n": self.problem["n"],
            "rounds": self.rounds,
            "production_sends": sum(
                seen.ask.factors == frozenset(f.id for f in task.factors) for seen in self.observations
            ),
            "max_per_seed": stats["max_per_seed"],
        }


def problem_of(view: dict[str, Any], refusal_price: float, batch: int) -> Problem:
    """Put a benchmark problem's public view into the product's own words."""
    names = {f["index"]: f["id"] for f in view["factors"]}
    needs: dict[int, set[int]] = {}
    for inner, outer in view.get("needs", ()):
        needs.setdefault(inner, set()).add(outer)
    factors = []
    for f in view["factors"]:
        kind = KINDS.get(f["group"], f["group"])
        whole = _transitive(f["index"], needs)
        factors.append(
            Factor(f["id"], kind, KIND_STAGES.get(kind, Stage.PRODUCTION), frozenset(names[i] for i in whole))
        )
    order = {factor.id: place for place, factor in enumerate(factors)}
    ordered = sorted(factors, key=lambda factor: (len(factor.needs), order[factor.id])) if needs else factors
    seeds = [Tester(s["id"], s["domain"], {names[int(i)]: v for i, v in s["values"].items()}) for s in view["seeds"]]
    limits = view["budget"]
    budget = Budget(limits["max_sends"], limits["max_rejections"], limits.get("per_seed_soft"), refusal_price, batch)
    return Problem(tuple(ordered), tuple(seeds), budget, shuffle_key=view["id"])


def _transitive(index: int, needs: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(needs.get(index, ()))
    while waiting:
        outer = waiting.pop()
        if outer not in found:
            found.add(outer)
            waiting += needs.get(outer, ())
    return found


def places(view: dict[str, Any]) -> dict[str, int]:
    """Map our names to the benchmark's indices."""
    return {factor["id"]: factor["index"] for factor in view["factors"]}


def spoken(verdict: Verdict, place: dict[str, int]) -> dict[str, Any]:
    """Put the judge's verdict into the grader's words."""
    kinds = {VerdictKind.TRIGGER: "triggers", VerdictKind.NONE: "none", VerdictKind.SENDER: "sender_block"}
    told: dict[str, Any] = {"kind": kinds.get(verdict.kind, "inconclusive")}
    if verdict.kind is VerdictKind.TRIGGER:
        told["fix"] = [place[name] for name in verdict.fix]
        told["triggers"] = []
        for trigger in verdict.triggers:
            scope: dict[str, Any] = {"type": trigger.scope.type}
            if trigger.scope.type == "domain":
                scope["domains"] = list(trigger.scope.domains)
            elif trigger.scope.type == "value":
                scope |= {"factor": place[trigger.scope.field or ""], "value": trigger.scope.value}
            elif trigger.scope.type == "recipients":
                scope["type"] = "sticky"
            told["triggers"].append({"factors": sorted(place[name] for name in trigger.factors), "scope": scope})
    return told
