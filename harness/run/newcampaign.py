"""A new campaign's folder: its name, its campaign.yaml with comments, and how it is written in one step."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from harness.edge.campaign_folder import read_campaign
from harness.edge.config import Workspace
from harness.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_ENDINGS = (
    ".html", ".htm", ".xhtml", ".j2", ".liquid", ".hbs", ".handlebars", ".mustache", ".eml", ".email", ".txt", ".mjml",
)  # fmt: skip


def campaign_name(file: Path, given: str | None) -> str:
    """Return the campaign's name: as given, or made from the file's.

    Raises:
        ConfigError: it is no name of a folder.
    """
    if given is not None:
        if not _NAME.fullmatch(given) or ".." in given:
            raise ConfigError(
                f"--name {given!r}: a campaign's name is letters, digits, hyphens and dots, such as spring-sale"
            )
        return given
    stem = file.name.lower()
    while stem.endswith(_ENDINGS):
        stem = stem.rpartition(".")[0]
    made = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:64].strip("-")
    return made or "imported"


def vacant(workspace: Workspace, name: str) -> Path:
    """Return the folder that a campaign of this name would have.

    Raises:
        ConfigError: there is one.
    """
    target = workspace.root / "variants" / name
    if target.exists() or target.is_symlink():
        raise ConfigError(
            f"variants/{name}: there is such a campaign already; choose another with --name, or move it away"
        )
    return target


def as_yaml(value: object) -> bytes:
    """Write a value as YAML."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000).encode()


def campaign_yaml(source: str, settings: Iterable[tuple[str, object, str]]) -> bytes:
    """Write campaign.yaml from keys, values and comments; the comments tell what is still to be filled in."""
    lines = [f"# Made by `harness import` from {one_line(source)}; `harness plan` shows what is in it.\n"]
    for key, value, comment in settings:
        written = as_yaml({key: value}).decode().rstrip("\n")
        lines.append(f"{written}   # {comment}\n" if comment else f"{written}\n")
    if not any(key == "message" for key, _, _ in settings):
        lines.append("# headers: {List-Unsubscribe: '<https://your-shop.example/u>'}   # those that production has\n")
        lines.append("# reply_to, preheader, attachments and plain go here too\n")
    return "".join(lines).encode()


def one_line(text: str) -> str:
    """Drop what could end a comment or steer a terminal."""
    return "".join(c for c in text if c.isprintable())[:100]


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a campaign folder beside its place, see that it loads, and move it there in one step.

    Raises:
        ConfigError: it can't be written, or would not load.
    """
    made: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".import-", dir=target.parent))
        for name, content in files.items():
            (made / name).write_bytes(content)
        made.chmod(0o777 & ~_umask())
        read_campaign(made, f"variants/{target.name}")
        if target.exists():
            raise ConfigError(f"variants/{target.name}: another import made this campaign meanwhile")
        made.rename(target)
    except OSError as error:
        raise ConfigError(f"variants/{target.name}: can't be written: {error.strerror or error}") from None
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
