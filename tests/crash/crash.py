"""Crash runs with SIGKILL, resume them, and hold what the ledger says against what the MX saw.

    python -m tests.crash.crash [--runs 200] [--key 1]

Each run is the real command line. It dies at random moments and at every journal mark, once or several times, and is
resumed until it ends. The scripted MX's own log is the truth. Prints its counts; exit status 0: nothing was violated.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.edge.ledger import Ledger
from harness.model.trial import State
from tests.crash.scene import Mx, make_workspace, scripted_mx
from tests.crash.victim import POINTS, Death, run

STRATEGIES = ("adaptive", "ladder")
LONGEST = 90.0  # seconds for one process


@dataclass
class Reference:
    """What a run comes to that nobody disturbs: its verdict, its time, how often it passes each point."""

    verdict: str
    seconds: float
    passed: Counter[str]


@dataclass
class Tally:
    """Counts over all crashed runs."""

    runs: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    reached: int = 0
    kept: int = 0
    between: int = 0
    violations: list[str] = field(default_factory=list)


class Crasher:
    """Runs the command line again and again, and kills it."""

    def __init__(self, folder: Path, mx: Mx, key: str) -> None:
        self.folder, self.mx, self.random = folder, mx, random.Random(key)
        self.tally = Tally()
        self.references = {name: self._reference(name) for name in STRATEGIES}

    def _reference(self, strategy: str) -> Reference:
        folder = make_workspace(self.folder / f"reference-{strategy}", self.mx.port)
        begin = time.monotonic()
        code = self._go(folder, ["run", "shoes", *self._options(strategy)], None)
        if code != 1:
            raise SystemExit(f"the undisturbed run ended with {code}:\n{(folder / 'stderr').read_text()}")
        side = (folder / "side").read_text().splitlines()
        passed = Counter(line.removeprefix("passed ") for line in side if line.startswith("passed "))
        return Reference(_verdict(folder), time.monotonic() - begin, passed)

    def crash(self, number: int) -> None:
        """Crash one run as its number says, resume it to the end, and check everything."""
        strategy = STRATEGIES[number % len(STRATEGIES)]
        folder = make_workspace(self.folder / f"run-{number}", self.mx.port)
        before = len(self.mx.rows())
        argv = ["run", "shoes", *self._options(strategy)]
        # Every point has its turn; each second run dies at a random moment instead.
        deaths = 1 + (self.random.random() < 0.3) + (self.random.random() < 0.1)
        code: int | None = None
        for i in range(deaths):
            point = POINTS[(number // 2) % len(POINTS)] if i == 0 and number % 2 else None
            code = self._kill(folder, argv, strategy, point or self._any_point())
            if code is not None:
                break  # it came to its end before
            argv = self._resumed(folder, strategy)
        for _ in range(5):
            if code in (0, 1, 3, 4):
                break
            code = self._go(folder, argv, None)
            argv = self._resumed(folder, strategy)
        if code not in (0, 1, 3, 4):
            self._violated(folder, f"could not be resumed: exit {code}: {(folder / 'stderr').read_text()[-600:]}")
            return
        self._check(folder, strategy, self.mx.rows()[before:])
        shutil.rmtree(folder)

    def _options(self, strategy: str) -> list[str]:
        return ["--yes", "--json", "--strategy", strategy, "--shuffle-key", "crash"]

    def _resumed(self, folder: Path, strategy: str) -> list[str]:
        """Return the command that goes on; a run that died before it was written down begins anew."""
        path = folder / "results" / "ledger.sqlite"
        if path.exists():
            with Ledger.open(path) as ledger:
                if ledger.runs():
                    return ["run", "--resume", "latest", "--yes", "--json"]
        return ["run", "shoes", *self._options(strategy)]

    def _any_point(self) -> str | None:
        return self.random.choice(POINTS) if self.random.random() < 0.4 else None

    def _kill(self, folder: Path, argv: list[str], strategy: str, point: str | None) -> int | None:
        """Let one process die; its exit code if it came to its end before."""
        reference = self.references[strategy]
        if point is None:
            pid = run(argv, folder, None)
            time.sleep(self.random.uniform(0, reference.seconds))
            os.kill(pid, signal.SIGKILL)
        else:
            pid = run(argv, folder, Death(point, self.random.randint(1, max(1, reference.passed[point]))))
        status = _wait(pid)
        if not os.WIFSIGNALED(status):
            return os.waitstatus_to_exitcode(status)
        self.tally.killed[point or "at a random moment"] += 1
        return None

    def _go(self, folder: Path, argv: list[str], death: Death | None) -> int:
        return os.waitstatus_to_exitcode(_wait(run(argv, folder, death)))

    def _check(self, folder: Path, strategy: str, rows: list[dict[str, Any]]) -> None:
        """Hold the ledger against the MX's log and the side file."""
        with Ledger.open(folder / "results" / "ledger.sqlite") as ledger:
            runs = [record.id for record in ledger.runs()]
            trials = [trial for name in runs for trial in ledger.facts(name).trials]
        if len(runs) != 1:
            self._violated(folder, f"one command made the runs {runs}")
        seen: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            seen.setdefault(row["mail_from"].partition("+")[2].partition("@")[0], []).append(row)
        places: Counter[Any] = Counter()
        for trial in trials:
            self._check_trial(folder, trial, seen.pop(trial.token, []), places)
        if seen:
            self._violated(folder, f"the MX saw tokens that the ledger does not know: {sorted(seen)}")
        if any(count > 1 for count in places.values()):
            self._violated(folder, f"a (variant, seed, repetition) reached the MX twice: {places}")
        self._check_side(folder, {trial.token: trial for trial in trials})
        verdict = _verdict(folder)
        wanted = self.references[strategy].verdict
        self.tally.verdicts["as undisturbed" if verdict == wanted else verdict] += 1
        if verdict != wanted and not verdict.startswith("inconclusive"):
            self._violated(folder, f"verdict {verdict}, undisturbed {wanted}")
        self.tally.runs += 1

    def _check_trial(self, folder: Path, trial: Any, rows: list[dict[str, Any]], places: Counter[Any]) -> None:
        self.tally.states[trial.state.value] += 1
        whole = [row for row in rows if row["sha256"] and row["verdict"] != "deferred"]
        self.tally.reached += len(whole)
        if whole:
            ask = trial.ask
            places[ask.factors, ask.seed, ask.values_of, trial.repetition] += len(whole)
        if len(whole) > 1 or (whole and rows[-1] is not whole[0]):
            self._violated(folder, f"{trial.token} reached the MX {len(rows)} times: {[r['verdict'] for r in rows]}")
        if whole and trial.state in (State.PLANNED, State.NOT_SENT, State.SENDING):
            self._violated(folder, f"{trial.token} reached the MX and is {trial.state.value}")
        if trial.state in (State.SENDING, State.CONTENT):
            self._violated(folder, f"{trial.token} was left {trial.state.value}")
        if trial.state is State.ANSWERED and not rows:
            self._violated(folder, f"{trial.token} has an answer that the MX never gave")
        if trial.state is State.ANSWERED and rows and str(trial.reply.code) != rows[-1]["reply"][:3]:
            self._violated(folder, f"{trial.token}: {trial.reply.code}, but the MX said {rows[-1]['reply'][:3]}")

    def _check_side(self, folder: Path, trials: dict[str, Any]) -> None:
        """No answer that was on the disk may be lost; one that was not yet there must be unknown."""
        lines = [line.split() for line in (folder / "side").read_text().splitlines()]
        durable = {(token, code) for word, token, code in (line for line in lines if line[0] == "durable")}
        for token, code in durable:
            self.tally.kept += 1
            replies = {str(attempt.reply.code) for attempt in trials[token].attempts if attempt.reply}
            if code not in replies:
                self._violated(folder, f"answer {code} to {token} was lost")
        for word, token, code in (line for line in lines if line[0] == "received"):
            if (token, code) in durable or trials[token].state is State.ANSWERED:
                continue
            self.tally.between += 1
            if trials[token].state is not State.UNKNOWN:
                self._violated(folder, f"{token} got {word} {code} and is {trials[token].state.value}")

    def _violated(self, folder: Path, what: str) -> None:
        self.tally.violations.append(f"{folder.name}: {what}")


def _wait(pid: int) -> int:
    deadline = time.monotonic() + LONGEST
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _verdict(folder: Path) -> str:
    """Return what the run says: the kind, and the triggers."""
    said = json.loads((folder / "stdout").read_text())["verdict"]
    triggers = sorted("+".join(sorted(trigger["factors"])) for trigger in said["triggers"])
    return " ".join([said["kind"], *triggers])


def crash_runs(runs: int, key: str) -> Tally:
    """Crash so many runs and return the counts."""
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        with scripted_mx(folder / "mx") as mx:
            crasher = Crasher(folder, mx, key)
            for number in range(runs):
                crasher.crash(number)
            return crasher.tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Crash runs, resume them, and compare with the MX's log.")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--key", default="1", help="keys the random moments")
    options = parser.parse_args()
    begin = time.monotonic()
    tally = crash_runs(options.runs, options.key)
    print(
        f"{tally.runs} runs crashed and resumed in {time.monotonic() - begin:.0f} s; {tally.killed.total()} times killed:"
    )
    for point, count in sorted(tally.killed.items()):
        print(f"  {count:5}  {point}")
    print(f"trials by their last mark: {dict(tally.states)}")
    print(f"messages that reached the MX: {tally.reached}; twice: {sum('twice' in v for v in tally.violations)}")
    print(f"answers on the disk: {tally.kept}, all kept; killed between socket and disk: {tally.between}, all unknown")
    print(f"verdicts: {dict(tally.verdicts)}")
    for violation in tally.violations:
        print(f"VIOLATED  {violation}")
    print("nothing was violated" if not tally.violations else f"{len(tally.violations)} violations")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
