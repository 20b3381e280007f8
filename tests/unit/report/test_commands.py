"""report, compare and evidence from the command line, on a ledger that a real rehearsal wrote."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from harness.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


class Workspace:
    """A folder in which commands run as a user runs them, in this process so that they start at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def harness(self, *words: str, code: int = 0, **environment: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["harness", *words])
            env = {"HARNESS_NO_BROWSER": "1", "COLUMNS": "100", **environment}
            done = CliRunner().invoke(entry, list(words), env=env)
        assert done.exit_code == code, (done.stderr, done.exception)
        return done


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def entry(words: tuple[str, ...]) -> None:
    """Enter where a user enters: errors become one line and a code there."""
    main()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("workspace") / "ws"
    Workspace(folder.parent).harness("init", "ws")
    made = Workspace(folder)
    for key in ("one", "two"):
        made.harness("run", "spring-sale", "--shuffle-key", key, code=1)
    return made


def test_a_report_without_a_name_is_the_latest_run_and_keeps_results_apart_from_remarks(workspace: Workspace) -> None:
    table = workspace.harness("report")
    assert "Verdict: TRIGGER. Adding the link host go.partner.example" in " ".join(table.stdout.split())
    assert table.stderr == ""


def test_five_formats_come_from_one_ledger(workspace: Workspace, tmp_path: Path) -> None:
    told = json.loads(workspace.harness("report", "--json").stdout)
    assert told == json.loads(workspace.harness("report", "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(workspace.harness("report", "--format", "csv").stdout)))
    assert len(rows) == told["totals"]["sent"]
    assert sum(row["outcome"] == "rejected" for row in rows) == told["totals"]["rejected"]
    assert "# `spring-sale`: trigger" in workspace.harness("report", "--format", "markdown").stdout
    page = tmp_path / "deep" / "page.html"
    done = workspace.harness("report", "--format", "html", "--output", str(page))
    assert done.stdout == ""
    assert told["run"]["id"] in page.read_text(encoding="utf-8")
    assert "Chromium is not installed here, or switched off" in page.read_text(encoding="utf-8")


def test_a_page_shows_the_two_messages_with_their_proof(workspace: Workspace) -> None:
    text = workspace.harness("report", "--format", "html").stdout
    assert "all other bytes identical" in text
    assert "https://go.partner.example/fitting" in text
    assert "was sent to" not in text


def test_a_pipe_that_knows_ascii_only_gets_ascii(workspace: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "report"],
        cwd=workspace.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.isascii()
    assert b"Verdict: TRIGGER" in done.stdout


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_tables_fit_the_terminal(workspace: Workspace, columns: str) -> None:
    for line in workspace.harness("report", COLUMNS=columns).stdout.splitlines():
        assert len(line) <= int(columns)


def test_the_archive_is_written_redacted_and_can_be_made_again_alike(workspace: Workspace) -> None:
    first = workspace.harness("evidence", "latest", "--for", "esp", "--json")
    file = Path(json.loads(first.stdout)["file"])
    once = file.read_bytes()
    workspace.harness("evidence", "latest", "--for", "esp")
    assert file.read_bytes() == once
    with zipfile.ZipFile(file) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert "letter-esp.txt" in names
    assert "letter-apple.txt" not in names
    assert "pair/1-refused.eml" in names
    seeds = (workspace.folder / "seeds.yaml").read_text(encoding="utf-8")
    addresses = re.findall(r"address: ([^\s,}]+)", seeds)
    assert len(addresses) >= 8
    for address in addresses:
        assert address.encode() not in whole
    assert oct(file.stat().st_mode & 0o777) == oct(0o600)


def test_an_unredacted_archive_says_so_and_holds_the_exact_bytes(workspace: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "raw.zip"
    done = workspace.harness("evidence", "--no-redact", "--output", str(target))
    assert "not redacted" in done.stdout
    told = list(csv.DictReader(io.StringIO(workspace.harness("report", "--format", "csv").stdout)))
    sent = {row["sha256"] for row in told}
    with zipfile.ZipFile(target) as archive:
        messages = [archive.read(name) for name in archive.namelist() if name.endswith(".eml")]
    assert len(messages) >= 4
    assert {hashlib.sha256(message).hexdigest() for message in messages} <= sent


def test_two_runs_are_compared_on_screen_as_json_and_as_a_page(workspace: Workspace, tmp_path: Path) -> None:
    ids = [run["id"] for run in json.loads(workspace.harness("status", "--json").stdout)["runs"]]
    page = tmp_path / "comparison.html"
    done = workspace.harness("compare", *ids, "--html", str(page))
    assert done.stdout.index("What else changed") < done.stdout.index("By factor")
    assert "The same:" in done.stdout
    assert "By factor" in page.read_text(encoding="utf-8")
    (comparison,) = json.loads(workspace.harness("compare", *ids, "--json").stdout)["comparisons"]
    assert {row["change"] for row in comparison["rows"]} <= {"better", "worse", "same", "can't tell"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "nosuchrun"), "no run is called 'nosuchrun'"),
        (("evidence", "nosuchrun"), "no run is called 'nosuchrun'"),
        (("compare", "latest"), "name two runs or more"),
        (("compare", "latest", "latest"), "the same run twice"),
        (("report", "--output", "/proc/nowhere/x.html"), "can't be written"),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(workspace: Workspace, words: tuple[str, ...], said: str) -> None:
    done = workspace.harness(*words, code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_un_suppress_list_is_written_in_clear_with_the_customers_of_a_production_send(
    workspace: Workspace, tmp_path: Path
) -> None:
    event = {"email": "ana@customer.example", "event": "bounce", "type": "blocked", "timestamp": 1794992495}
    refusal = {**event, "sg_event_id": "1", "reason": "554 5.7.1 [CS01] Message rejected due to local policy."}
    events, target = tmp_path / "events.json", tmp_path / "lift.csv"
    events.write_text(json.dumps([refusal]), encoding="utf-8")
    zipped = str(tmp_path / "e.zip")
    workspace.harness("evidence", "--unsuppress", str(target), "--customers", str(events), "--output", zipped)
    (row,) = csv.DictReader(io.StringIO(target.read_text(encoding="utf-8")))
    assert (row["address"], row["tag"]) == ("ana@customer.example", "CS01")
    alone = workspace.harness("evidence", "--customers", str(events), "--output", zipped, code=2)
    assert "say --unsuppress FILE" in alone.stderr
