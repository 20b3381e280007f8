"""A simulation is a game with an invented cause, and comes out the same each time."""

from __future__ import annotations

import pytest

from harness.search.simulate import Invention, forecast, inventions, play
from tests.unit.search.builders import problem_with

NEEDS = {"f4": ["f0"]}


def test_a_given_cause_is_found_and_paid_for() -> None:
    game = play(problem_with(), "adaptive", Invention("given", (frozenset(["f4"]),), 1.0, 0.0, "k"))
    assert game.result == "right"
    assert 10 < game.sends < 40
    assert 3 <= game.refusals < game.sends


def test_the_same_game_comes_out_the_same() -> None:
    invention = Invention("given", (frozenset(["f2", "f7"]),), 0.8, 0.01, "k")
    one, two = (play(problem_with(), "adaptive", invention) for _ in range(2))
    assert one == two
    other = play(problem_with(), "adaptive", Invention("given", (frozenset(["f2", "f7"]),), 0.8, 0.01, "another"))
    assert (other.sends, other.refusals) != (one.sends, one.refusals)


def test_inventions_never_pair_a_factor_with_what_it_stands_in() -> None:
    problem = problem_with(count=5, needs=NEEDS)
    made = inventions(problem, 200)
    assert {invention.name for invention in made} == {"one change", "two together", "either of two", "nothing"}
    for invention in made:
        names = frozenset().union(*invention.triggers)
        assert not names >= {"f0", "f4"}


def test_a_forecast_compares_strategies_on_the_same_causes() -> None:
    problem = problem_with(count=16)
    rows = forecast(problem, ("ladder", "adaptive"), inventions(problem, 8))
    whole = {row.strategy: row for row in rows if row.cause == "all"}
    assert whole["adaptive"].games == whole["ladder"].games == 8
    assert whole["adaptive"].sends[1] < whole["ladder"].sends[1] / 2
    assert whole["adaptive"].wrong == whole["ladder"].wrong == 0


@pytest.mark.parametrize("name", ["ladder", "adaptive"])
def test_a_wrong_answer_would_be_counted_as_wrong(name: str) -> None:
    game = play(problem_with(), name, Invention("all", (frozenset(["f4"]),), 1.0, 0.0, "k"))
    assert game.finding.triggers[0][0] == ("f4",)
    from harness.search.simulate import _graded

    assert _graded(problem_with(), Invention("other", (frozenset(["f5"]),)), game.finding) == "wrong"
