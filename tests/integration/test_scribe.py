"""The scribe: marks in order, several in one commit, a wrong one spoils no other."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.edge.ledger import Ledger
from harness.edge.scribe import Mark, Scribe
from harness.model.reply import Reply, Step
from harness.model.trial import State
from tests.integration.ledger_nouns import a_run, at, planned

OK = Reply(250, "Ok", Step.CONTENT)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        opened.create_run(a_run())
        for i in range(40):
            planned(opened, f"t{i}")
        yield opened


def whole(ledger: Ledger, token: str) -> list[Mark]:
    return [
        lambda: ledger.begin(token, at(1)),
        lambda: ledger.content(token, at(2)),
        lambda: ledger.record(token, OK, None, "", at(3)),
    ]


@pytest.mark.parametrize("threaded", [False, True])
def test_marks_are_made_in_order_and_durable_when_their_future_is_done(ledger: Ledger, threaded: bool) -> None:
    async def main() -> None:
        scribe = Scribe(ledger, threaded=threaded)
        for i in range(40):
            *_, last = [scribe.write(mark) for mark in whole(ledger, f"t{i}")]
            if i % 7 == 0:
                await last
                other = sqlite3.connect(ledger.path)  # what another process sees
                assert other.execute("SELECT state FROM attempt WHERE token = ?", (f"t{i}",)).fetchone() == (
                    "answered",
                )
                other.close()
        await last
        scribe.close()

    asyncio.run(main())
    assert {trial.state for trial in ledger.facts("r1").trials} == {State.ANSWERED}


@pytest.mark.parametrize("threaded", [False, True])
def test_a_refused_mark_fails_alone(ledger: Ledger, threaded: bool) -> None:
    async def main() -> list[object]:
        scribe = Scribe(ledger, threaded=threaded)
        wrong: Mark = lambda: ledger.content("t1", at(1))  # noqa: E731  # it was never begun
        given = [*whole(ledger, "t0"), wrong, *whole(ledger, "t2")]
        futures = [scribe.write(mark) for mark in given]
        results = await asyncio.gather(*futures, return_exceptions=True)
        scribe.close()
        return list(results)

    results = asyncio.run(main())
    assert [isinstance(result, ValueError) for result in results] == [False] * 3 + [True] + [False] * 3
    states = [ledger.trial(f"t{i}").state for i in range(3)]
    assert states == [State.ANSWERED, State.PLANNED, State.ANSWERED]


def test_marks_that_come_together_are_one_commit(ledger: Ledger) -> None:
    commits: list[int] = []
    together = ledger.write_together
    ledger.write_together = lambda marks: commits.append(len(marks)) or together(marks)  # type: ignore[method-assign, func-returns-value]

    async def main() -> None:
        scribe = Scribe(ledger, threaded=False)
        futures = [scribe.write(mark) for mark in whole(ledger, "t0")]
        await futures[0]
        begun = scribe.write(whole(ledger, "t1")[0])
        await scribe.write(whole(ledger, "t1")[1], now=True)
        assert begun.done()
        scribe.close()

    asyncio.run(main())
    assert commits == [3, 2]


@pytest.mark.parametrize("threaded", [False, True])
def test_closing_writes_what_was_given(ledger: Ledger, threaded: bool) -> None:
    async def main() -> None:
        scribe = Scribe(ledger, threaded=threaded)
        for mark in whole(ledger, "t0"):
            scribe.write(mark)
        scribe.close()

    asyncio.run(main())
    assert ledger.trial("t0").state is State.ANSWERED
