"""The published benchmark, short: a slice of every class, with the product's own search and judge."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

from benchmarks.isolation.__main__ import HERE
from benchmarks.isolation.baselines import BASELINES, row
from benchmarks.isolation.fresh import CLASSES, fresh
from benchmarks.isolation.oracle import Oracle, bound, load
from benchmarks.isolation.play import Game, problem_of
from tests.shared import examples

FALSE = {"wrong_accusation", "false_clear", "false_block"}
PROBLEMS = load(HERE / "problems.json")
SCORED = load(HERE / "problems_score.json")


def some_of_each(problems: list[dict[str, Any]], tier: str, each: int) -> list[dict[str, Any]]:
    seen: dict[str, list[dict[str, Any]]] = {}
    for problem in problems:
        if problem["tier"] == tier and problem["n"] <= 40:
            seen.setdefault(problem["class"], []).append(problem)
    return [problem for some in seen.values() for problem in some[:each]]


def played(problems: list[dict[str, Any]], strategy: str = "adaptive", replica: int = 3) -> list[dict[str, Any]]:
    return [Game(problem, replica, strategy).play() for problem in problems]


@pytest.fixture(scope="module")
def base() -> list[dict[str, Any]]:
    return played(some_of_each(PROBLEMS, "base", max(2, examples(40) // 10)))


def test_nothing_false_is_said_of_base_problems(base: list[dict[str, Any]]) -> None:
    assert [told for told in base if told["outcome"] in FALSE] == []


def test_base_problems_come_out_right_but_for_blocks_that_never_end(base: list[dict[str, Any]]) -> None:
    assert [r for r in base if r["outcome"] not in ("correct", "acceptable")] == []
    assert fmean(told["outcome"] == "correct" for told in base) >= 0.9


def test_base_problems_stay_cheap(base: list[dict[str, Any]]) -> None:
    assert fmean(told["sends"] for told in base) <= 32
    assert fmean(told["rejections"] for told in base) <= 8


def test_a_blocked_sender_gets_no_production_message(base: list[dict[str, Any]]) -> None:
    blocked = [told for told in base if told["class"] == "sender_block"]
    assert blocked
    assert all(told["production_sends"] == 0 and told["outcome"] == "correct" for told in blocked)


def test_hard_problems_come_out_right() -> None:
    hard = played([p for p in some_of_each(PROBLEMS, "hard", 1) if p["class"] != "weak"])
    assert [told for told in hard if told["outcome"] in FALSE] == []
    assert fmean(told["outcome"] == "correct" for told in hard) >= 0.9


def test_no_unclosed_set_is_ever_sent_and_the_fix_of_a_scoring_filter_works() -> None:
    needs = played([p for p in SCORED if p["class"] == "needs"][:3])
    score = played([p for p in SCORED if p["class"] == "score"][:3])
    assert sum(told["unclosed"] for told in (*needs, *score)) == 0
    assert all(told["outcome"] == "correct" for told in needs)
    assert [told for told in score if told["outcome"] in FALSE] == []
    assert fmean(bool(told["fix_ok"]) for told in score) >= 0.6


def test_splitting_says_nothing_false_either() -> None:
    assert [told for told in played(some_of_each(PROBLEMS, "base", 2), "split") if told["outcome"] in FALSE] == []


def test_a_rare_value_and_a_leaky_block_are_never_called_clean() -> None:
    odd = [p for p in fresh("ci", 2) if p["tier"] == "odd"]
    assert len(odd) == 4
    assert all(told["outcome"] not in FALSE for told in played(odd))


def test_fresh_problems_are_sound() -> None:
    made = fresh("sound", 2)
    assert {problem["class"] for problem in made} == set(CLASSES)
    assert len({problem["id"] for problem in made}) == len(made)
    for problem in made:
        task = problem_of(Oracle(problem).view, 8.0, 1)
        assert len(task.factors) == problem["n"]
        assert {seed.domain for seed in task.seeds} & {"custom", "icloud.com"}
        for trigger in problem["hidden"]["triggers"]:
            assert set(trigger["factors"]) <= set(range(problem["n"]))
        if problem["class"] in ("single_det", "pair", "quad"):
            assert bound(problem)["search_sends"] > 0


def test_the_search_sees_nothing_but_the_view() -> None:
    problem = next(p for p in PROBLEMS if p["class"] == "single_det")
    view = Oracle(problem).view
    assert not {"hidden", "truth", "class", "tier", "rng"} & set(view)


def test_the_ladder_by_hand_blames_the_last_half_of_a_pair() -> None:
    pairs = [p for p in PROBLEMS if p["class"] == "pair" and p["n"] <= 16]
    told = [row("ladder, 10 copies", problem, 0) for problem in pairs]
    assert fmean(one["outcome"] == "wrong_accusation" for one in told) > 0.8
    assert set(BASELINES) >= {"ladder, 1 copy", "ladder, 3 copies", "ddmin x3 + proof"}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_finds_a_single_reliable_trigger(name: str) -> None:
    problem = next(p for p in PROBLEMS if p["class"] == "single_det" and p["n"] == 8)
    assert row(name, problem, 0)["outcome"] == "correct"
