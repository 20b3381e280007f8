"""`harness import`: a message or a page becomes a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, clean, echo, open_workspace, print_json


def import_(
    file: Annotated[
        Path, typer.Argument(help="An .eml (also a bounce with the returned message), .html or .mjml file.")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the campaign; default: from the file's.")] = None,
    text: Annotated[Path | None, typer.Option(help="Text part to go with an HTML page.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Merge rows of production recipients: .csv, .json or .yaml.")
    ] = None,
    syntax: Annotated[
        str | None,
        typer.Option(
            help="Merge syntax of a page: mailchimp, sfmc, mustache, mustachio, sendgrid, liquid, klaviyo, braze, "
            "hubspot, jinja2, substitution, none; default: detected."
        ),
    ] = None,
    keep_unknown: Annotated[
        bool, typer.Option("--keep-unknown", help="Leave tags that can't be converted as literal text.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make variants/NAME from a rejected message, a bounce, an HTML page with merge tags, or MJML.

    Example: harness import rejected.eml --name receipt
    """
    from harness.run.intake import intake

    place = open_workspace(workspace)
    made = intake(place, file, name=name, text=text, data=data, syntax=syntax, keep_unknown=keep_unknown)
    if json:
        print_json({"schema_version": 1, "campaign": made.name, "files": list(made.files), "notes": list(made.notes)})
        return
    for line in made.notes:
        echo(f"note: {clean(line)}")
    echo(f"variants/{made.name}: {', '.join(made.files)}. Look at it with: harness plan {made.name}")
