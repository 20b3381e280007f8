"""`harness simulate`: how many messages and refusals to expect, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, open_workspace, print_json, table
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.model.problem import Problem
    from harness.search.simulate import Forecast, Invention

BAR = 40  # characters of the longest bar


def simulate(
    campaign: Annotated[str, typer.Argument(help="Campaign under variants/.")],
    segment: Annotated[str | None, typer.Option(help="Segment of seeds.yaml; default: the only one.")] = None,
    relay: Annotated[str | None, typer.Option(help="Relay of relay.yaml; default: its default.")] = None,
    strategies: Annotated[str, typer.Option("--strategy", help="Strategies to compare.")] = "ladder,adaptive",
    games: Annotated[int, typer.Option(min=1, max=1000, help="Invented causes to play against.")] = 30,
    trigger: Annotated[
        list[str] | None, typer.Option(help="Play against this cause instead: factor ids joined by '+'.")
    ] = None,
    fire: Annotated[float, typer.Option(min=0.05, max=1.0, help="How reliably a trigger fires.")] = 0.95,
    stray: Annotated[float, typer.Option(min=0.0, max=0.2, help="Share of messages refused for no reason.")] = 0.005,
    price: Annotated[float, typer.Option(min=0.0, help="Accepted messages that one refusal is worth.")] = 8.0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Play a campaign's own factors against invented triggers. Sends nothing.

    Example: harness simulate spring-sale --strategy ladder,split,adaptive
    """
    from harness.search.simulate import forecast, inventions

    problem = _problem(open_workspace(workspace), campaign, segment, relay, price)
    if trigger:
        invented = _given(problem, trigger, games, fire, stray)
    else:
        invented = inventions(problem, games, fire, stray)
    rows = forecast(problem, _names(strategies), invented)
    if json:
        print_json(
            {"campaign": campaign, "factors": len(problem.factors), "games": games, "rows": list(map(_row, rows))}
        )
        return
    echo(
        f"{len(problem.factors)} factors, {len(problem.seeds)} seeds, {games} invented causes; median (90th percentile)"
    )
    echo()
    heads = ["strategy", "cause", "games", "messages", "refusals", "right", "wrong"]
    echo(table([_line(row) for row in rows], heads))
    echo()
    for line in _picture(rows):
        echo(line)


def _problem(place: Any, campaign: str, segment: str | None, relay: str | None, price: float) -> Problem:
    from dataclasses import replace
    from datetime import UTC, datetime

    from harness.run.frame import frame
    from harness.run.prepare import Wishes, prepare

    run = prepare(place, campaign, segment, relay, Wishes(), datetime.now(UTC)).run
    problem = frame(run)
    budget = replace(problem.budget, refusal_price=price)
    return replace(problem, budget=budget, shuffle_key=f"simulate {campaign}")  # the same picture each time


def _names(strategies: str) -> list[str]:
    from harness.search import strategy

    names = [name.strip() for name in strategies.split(",") if name.strip()]
    for name in names:
        strategy(name)
    return names


def _given(problem: Problem, triggers: list[str], games: int, fire: float, stray: float) -> list[Invention]:
    from harness.search.simulate import Invention

    known = {factor.id for factor in problem.factors}
    sets = tuple(frozenset(part for part in given.split("+") if part) for given in triggers)
    for name in sorted(frozenset().union(*sets) - known):
        raise ConfigError(f"--trigger {name}: the campaign has no such factor; `harness plan` lists them")
    words = " or ".join(" with ".join(sorted(names)) for names in sets)
    return [Invention(words, sets, fire, stray, f"given {number}") for number in range(games)]


def _row(row: Forecast) -> dict[str, Any]:
    keys = ("median", "mean", "p90")
    return {
        "strategy": row.strategy,
        "cause": row.cause,
        "games": row.games,
        "right": row.right,
        "wrong": row.wrong,
        "sends": dict(zip(keys, row.sends, strict=True)),
        "refusals": dict(zip(keys, row.refusals, strict=True)),
    }


def _line(row: Forecast) -> list[str]:
    return [
        row.strategy,
        row.cause,
        str(row.games),
        f"{row.sends[0]:.0f} ({row.sends[2]:.0f})",
        f"{row.refusals[0]:.0f} ({row.refusals[2]:.0f})",
        f"{row.right:.0%}",
        f"{row.wrong:.0%}",
    ]


def _picture(rows: list[Forecast]) -> list[str]:
    """Draw the mean number of messages, refusals filled."""
    whole = [row for row in rows if row.cause == "all"] or rows
    longest = max(row.sends[1] for row in whole) or 1.0
    lines = []
    for row in whole:
        refused = round(BAR * row.refusals[1] / longest)
        accepted = max(round(BAR * row.sends[1] / longest) - refused, 0)
        means = f"{row.sends[1]:.0f} messages, {row.refusals[1]:.1f} of them refused, on average"
        lines.append(f"{row.strategy:>10} {'█' * refused}{'░' * accepted} {means}")
    return lines
