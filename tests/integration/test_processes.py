"""Real processes on one workspace: two at once, one that is interrupted, one that is told to go away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.edge.ledger import Ledger
from harness.model.trial import State
from tests.crash.scene import Mx, make_workspace, scripted_mx, wait_for

PLANTED = "link:https://go.partner.example/fitting"
RUN = ("run", "shoes", "--yes", "--json", "--strategy", "ladder")


@pytest.fixture(scope="module")
def mx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mx]:
    with scripted_mx(tmp_path_factory.mktemp("mx") / "mx") as running:
        yield running


def harness(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness.cli.main", *arguments, "--workspace", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slowly(folder: Path) -> None:
    """Let a second pass between two messages, so that there is time to disturb."""
    path = folder / "relay.yaml"
    path.write_text(path.read_text().replace("gap: 0s", "gap: 500ms"))


def sent(folder: Path) -> int:
    with Ledger.open(folder / "results" / "ledger.sqlite") as ledger:
        return sum(trial.state is State.ANSWERED for run in ledger.runs() for trial in ledger.facts(run.id).trials)


def has_begun(folder: Path) -> bool:
    return (folder / "results" / "ledger.sqlite").exists() and sent(folder) >= 2


def verdict(output: str) -> tuple[str, list[str]]:
    said: dict[str, Any] = json.loads(output)["verdict"]
    return said["kind"], [factor for trigger in said["triggers"] for factor in trigger["factors"]]


def test_two_runs_at_once_share_one_ledger_and_spoil_nothing(mx: Mx, tmp_path: Path) -> None:
    folder, before = make_workspace(tmp_path / "w", mx.port), len(mx.rows())
    both = [harness(folder, *RUN) for _ in range(2)]
    outputs = [process.communicate(timeout=180) for process in both]
    assert [process.returncode for process in both] == [1, 1], outputs
    assert [verdict(out) for out, _ in outputs] == [("trigger", [PLANTED])] * 2
    taken = Counter(row["mail_from"] for row in mx.rows()[before:] if row["sha256"])
    assert set(taken.values()) == {1}
    with Ledger.open(folder / "results" / "ledger.sqlite") as ledger:
        tokens = [trial.token for run in ledger.runs() for trial in ledger.facts(run.id).trials]
    assert len(tokens) == len(set(tokens)) == len(taken)


def test_a_run_that_somebody_owns_can_not_be_resumed_by_another(mx: Mx, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "w", mx.port)
    slowly(folder)
    owner = harness(folder, *RUN)
    try:
        assert wait_for(lambda: has_begun(folder), 60)
        other = harness(folder, "run", "--resume", "latest", "--yes", "--json")
        _, errors = other.communicate(timeout=60)
        assert other.returncode == 2
        assert f"pid {owner.pid}" in errors
        assert "Traceback" not in errors
        assert owner.poll() is None
    finally:
        owner.send_signal(signal.SIGINT)
        owner.communicate(timeout=60)


def test_ctrl_c_finishes_the_message_in_hand_and_resume_goes_on(mx: Mx, tmp_path: Path) -> None:
    folder, before = make_workspace(tmp_path / "w", mx.port), len(mx.rows())
    slowly(folder)
    process = harness(folder, *RUN)
    assert wait_for(lambda: has_begun(folder), 60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    with Ledger.open(folder / "results" / "ledger.sqlite") as ledger:
        facts = ledger.facts(ledger.runs()[0].id)
    assert facts.run.state == "interrupted"
    assert {trial.state for trial in facts.trials} <= {State.ANSWERED, State.PLANNED}
    path = folder / "relay.yaml"
    path.write_text(path.read_text().replace("gap: 500ms", "gap: 0s"))
    resumed = harness(folder, "run", "--resume", "latest", "--yes", "--json")
    output, errors = resumed.communicate(timeout=180)
    assert resumed.returncode == 1, errors
    assert verdict(output) == ("trigger", [PLANTED])
    assert set(Counter(row["mail_from"] for row in mx.rows()[before:] if row["sha256"]).values()) == {1}
