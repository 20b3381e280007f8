"""`harness evidence`: an archive that can be sent to Apple, an ESP or an engineer."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, open_workspace, print_json

if TYPE_CHECKING:
    from harness.edge.config import Workspace
    from harness.model.answer import Answer
    from harness.model.record import RunRecord


class Audience(StrEnum):
    """Who reads the letter."""

    APPLE = "apple"
    ESP = "esp"
    ENGINEER = "engineer"


def evidence(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning; default: the latest.")
    ] = None,
    audience: Annotated[
        Audience | None, typer.Option("--for", help="Whose letter to write; default: all three.", show_default=False)
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact/--no-redact", help="Take out seed addresses, merge values and credentials.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The zip file; default: results/RUN/evidence.zip.", show_default=False),
    ] = None,
    unsuppress: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write whom the ESP should take off its suppression list, as CSV, in clear."),
    ] = None,
    customers: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="With --unsuppress: ESP events of a production send, to add its customers."),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Write a zip with the letter, replies as received, the proved pair, the smallest refused message, checksums.

    Example: harness evidence latest --for esp
    """
    from harness.cli.report import retell
    from harness.edge.ledger import Ledger
    from harness.edge.originals import raw_answers
    from harness.report.dossier import Originals, dossier
    from harness.report.letter import AUDIENCES
    from harness.report.redact import redactor
    from harness.run.pick import pick_run

    place, heard = open_workspace(workspace), _events(customers or [], unsuppress)
    with Ledger.open(place.ledger_path, create=False) as ledger:
        told = retell(place, ledger, pick_run(ledger, run_id).id)
        run = told.facts.run
        originals = Originals(ledger.message, ledger.transcripts, lambda token: raw_answers(place.ledger_path, token))
        files = dossier(
            told,
            originals,
            audiences=(audience.value,) if audience else AUDIENCES,
            hide=redactor(told.facts, _credentials(place, run)) if redact else None,
        )
    if unsuppress is not None:
        from harness.cli.report import save
        from harness.report.unsuppress import unsuppress_csv

        save(unsuppress, unsuppress_csv(told, heard))
    target = output or place.results / run.id / "evidence.zip"
    save_zip(target, files, run)
    if json:
        print_json({"schema_version": 1, "run": run.id, "file": str(target), "redacted": redact, "files": list(files)})
        return
    echo(
        f"{target}: {len(files)} files{'' if redact else ', not redacted: it names your seeds and their merge values'}"
    )
    echo(f"Verdict: {told.verdict.summary}")


def save_zip(path: Path, files: dict[str, bytes], run: RunRecord) -> None:
    """Write the archive whole or not at all, with the run's time on every file, so that it can be made again alike.

    Raises:
        ConfigError: the place can't be written.
    """
    from datetime import UTC
    from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

    from harness.errors import ConfigError

    stamp = (run.ended or run.started).astimezone(UTC).timetuple()[:6]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".part")
        with ZipFile(beside, "w", ZIP_DEFLATED) as archive:
            for name, content in files.items():
                entry = ZipInfo(f"evidence-{run.id}/{name}", stamp)
                entry.external_attr = 0o600 << 16
                archive.writestr(entry, content, ZIP_DEFLATED)
        beside.chmod(0o600)  # unredacted, it names people
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror or error}; name another with --output") from None


def _events(files: list[Path], unsuppress: Path | None) -> list[Answer]:
    """Read the events of a production send.

    Raises:
        ConfigError: a file can't be read, or there is no list to put its customers on.
    """
    from harness.bounce.events import read_events
    from harness.errors import ConfigError, EventError

    if files and unsuppress is None:
        raise ConfigError("--customers adds to a list: say --unsuppress FILE, where to write it")
    found: list[Answer] = []
    for file in files:
        try:
            found += read_events(file.read_bytes(), source=file.name)
        except OSError as error:
            raise ConfigError(f"--customers {file}: can't be read: {error.strerror or error}") from None
        except EventError as error:
            raise ConfigError(f"--customers {file}: {error}") from None
    return found


def _credentials(place: Workspace, run: RunRecord) -> list[str]:
    """Collect names and secrets that relay.yaml knows, as far as this machine can resolve them."""
    from harness.errors import HarnessError

    try:
        relay = place.relay(run.relay)
    except HarnessError:
        return []
    found = [relay.username or ""]
    with suppress(HarnessError):  # a secret that isn't set here can't be in anything that was written here
        found.append(place.unlock(relay).password or "")
    return [word for word in found if word]
