"""A run that is interrupted goes on exactly where it stopped, and nothing reaches the receiver twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli import ROOT, harness, workspace

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return workspace(tmp_path / "shop")


@pytest.fixture
def stand_in(example: Path) -> Iterator[Path]:
    """`harness sandbox` as a server, and a relay that leads to it; gives the server's log."""
    log = example / "sandbox.log"
    with log.open("w") as sink:
        server = subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", "sandbox", "--port", "0"],
            cwd=example,
            env=ENVIRONMENT,
            stderr=sink,
        )
    try:
        deadline = time.monotonic() + 20
        while not (found := re.search(r"SMTP on 127\.0\.0\.1:(\d+)", log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        (example / "seeds.yaml").write_text(
            (example / "seeds.yaml").read_text().replace("daily_cap: 10 ", "daily_cap: 500 ")
        )
        (example / "relay.yaml").write_text(
            f"default: mta\nrelays:\n  mta: {{kind: smtp, host: 127.0.0.1, port: {found[1]}, tls: none, "
            "pace: {gap: 0.05s, per_hour: 100000, avoid_top_of_hour: false}}\n"
        )
        yield log
    finally:
        server.terminate()
        server.wait(10)


def messages(log: Path) -> int:
    return log.read_text().count(" bytes: ")


def test_ctrl_c_finishes_the_message_in_hand_and_resume_goes_on(example: Path, stand_in: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", "run", "spring-sale", "--yes", "--json", "--shuffle-key", "k"],
        cwd=example, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while messages(stand_in) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    [left] = harness("status", "--json", cwd=example).json["runs"]
    assert left["state"] == "interrupted"
    assert left["sent"] == messages(stand_in)

    done = harness("run", "--resume", "latest", "--json", cwd=example)
    assert done.code == 1, done.err
    assert done.json["verdict"]["triggers"][0]["factors"] == ["link:https://go.partner.example/fitting"]
    assert done.json["totals"]["sent"] == messages(stand_in)
    assert done.json["totals"]["unknown"] == 0


def test_the_daily_cap_of_a_seed_leaves_the_run_waiting(example: Path, stand_in: Path) -> None:
    seeds = (example / "seeds.yaml").read_text()
    (example / "seeds.yaml").write_text(seeds.replace("daily_cap: 500 ", "daily_cap: 1 "))
    ran = harness("run", "spring-sale", "--strategy", "ladder", "--yes", "--json", cwd=example)
    assert ran.code == 3, ran.err
    recipients = re.findall(r"^(seed-\d+@\S+) .* bytes: ", stand_in.read_text(), re.MULTILINE)
    assert 0 < len(recipients) == len(set(recipients)) <= 8
    [run] = harness("status", "--json", cwd=example).json["runs"]
    assert run["state"] == "waiting"
    assert "has had 1 of 1 messages today" in run["waits_for"]
    assert "until" in run["waits_for"]


def test_a_changed_campaign_does_not_go_on_as_the_old_one(example: Path, stand_in: Path) -> None:
    seeds = (example / "seeds.yaml").read_text()
    (example / "seeds.yaml").write_text(seeds.replace("daily_cap: 500 ", "daily_cap: 1 "))
    harness("run", "spring-sale", "--strategy", "ladder", "--yes", cwd=example)
    body = example / "variants" / "spring-sale" / "body.html.j2"
    body.write_text(body.read_text().replace("snow", "ice"))
    sent = messages(stand_in)
    ran = harness("run", "--resume", "latest", cwd=example)
    assert ran.code == 2
    assert "template changed since run" in ran.err
    assert messages(stand_in) == sent


def test_a_stopped_run_goes_on_once_its_cause_is_put_right(example: Path) -> None:
    policy = (example / "sandbox.yaml").read_text()
    (example / "sandbox.yaml").write_text("rules:\n  - {name: a, when: {}, reply: authentication}\n")
    stopped = harness("run", "spring-sale", "--json", cwd=example)
    assert stopped.code == 4
    assert stopped.json["run"]["state"] == "stopped"
    again = harness("run", "--resume", "latest", "--json", cwd=example)
    assert again.code == 4, "what is heard after the resume stops it again"
    (example / "sandbox.yaml").write_text(policy)
    mended = harness("run", "--resume", "latest", "--json", cwd=example)
    assert mended.code == 1, mended.out + mended.err
    assert mended.json["verdict"]["fix"] == ["link:https://go.partner.example/fitting"]


def test_a_run_that_met_its_cap_goes_on_under_a_new_one(example: Path) -> None:
    capped = harness("run", "spring-sale", "--max-sends", "3", "--json", cwd=example)
    assert capped.code == 3
    assert harness("run", "--resume", "latest", cwd=example).code == 3, "the cap still holds"
    wider = harness("run", "--resume", "latest", "--max-sends", "120", "--json", cwd=example)
    assert wider.code == 1, wider.out + wider.err
    assert harness("report", "latest", "--json", cwd=example).json["verdict"]["kind"] == "trigger"
