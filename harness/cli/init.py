"""`harness init`: a workspace to start with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import echo


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make the workspace in.")],
) -> None:
    """Make a workspace: seeds.yaml, relay.yaml, a sandbox policy and two example campaigns.

    Nothing that is there already is overwritten.

    Example: harness init ~/retest && cd ~/retest && harness run spring-sale
    """
    from importlib.resources import as_file, files

    from harness.errors import ConfigError

    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory}: this is a file; name a folder")
    with as_file(files("harness") / "scaffold") as scaffold:
        # In a checkout the scaffold's folders are links to the example workspace itself.
        found = os.walk(scaffold, followlinks=True)
        sources = sorted(Path(folder) / name for folder, _, names in found for name in names if name[0] != ".")
        targets = {path: directory / path.relative_to(scaffold) for path in sources}
        there = [target for target in targets.values() if target.exists()]
        if there:
            names = ", ".join(str(target.relative_to(directory)) for target in there[:3])
            raise ConfigError(
                f"{directory}: {names} stand here already, and init overwrites nothing; name a new folder"
            )
        for source, target in targets.items():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
            except OSError as error:
                raise ConfigError(f"{target}: can't be written: {error.strerror or error}") from None
    (directory / "results").mkdir(exist_ok=True)
    echo(
        f"{directory}: {len(targets)} files. Rehearse with:\n\n"
        f"  cd {directory}\n  harness plan spring-sale\n  harness run spring-sale"
    )
