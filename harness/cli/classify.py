"""`harness classify`: say what replies, bounce mails and provider events mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import WorkspaceOption, clean, echo, note, print_json, table
from harness.errors import ConfigError, EventError

if TYPE_CHECKING:
    from harness.bounce.rules import Rules
    from harness.model.answer import Answer

_SUFFIXES = (".eml", ".msg", ".mbox", ".mbx", ".json", ".jsonl", ".ndjson", ".csv", ".log", "")
_MAIL_STARTS = (b"From ", b">From ", b"Return-Path:", b"Received:", b"Delivered-To:", b"From:", b"Subject:", b"Date:")


def classify(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REPLY|FILE|FOLDER]...",
            help="A reply, or mails, mboxes, event files and folders of them; without any, stdin is read.",
            show_default=False,
        ),
    ] = None,
    code: Annotated[
        int | None, typer.Option(min=200, max=599, help="Reply code, where a reply comes without it.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Whose events these are; default: recognised by their shape.")
    ] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", help="Rules that go first; default: rules.yaml of the workspace, if any.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list of objects, one per recipient or event.")] = False,
) -> None:
    """Say what replies, bounces and events mean for an Apple sender, and what to do.

    Example: harness classify "554 5.7.1 [CS01] Message rejected due to local policy", or: harness classify bounces/
    """
    rules = _rules(rules_file, workspace)
    found: list[tuple[str | None, Answer]] = []
    for one in what or ["-"]:
        found += _read(one, code, provider, rules, alone=len(what or ()) < 2)
    if json:
        print_json([_record(file, answer) for file, answer in found])
    else:
        _show(found, rules)


def _rules(given: Path | None, workspace: Path | None) -> Rules:
    from harness.bounce.rules import RULES, load_rules

    path = given or _own_rules(workspace)
    if path is None:
        return RULES
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(
            f"{path}: can't be read as a rule file ({type(fault).__name__}); expected YAML text"
        ) from None
    return RULES.with_first(load_rules(text, str(path)))


def _own_rules(workspace: Path | None) -> Path | None:
    """Find the workspace's rules, if this is a workspace; classify works anywhere."""
    here = Path.cwd()
    for folder in (workspace,) if workspace else (here, *here.parents):
        if (folder / "seeds.yaml").is_file() or workspace:
            return folder / "rules.yaml" if (folder / "rules.yaml").is_file() else None
    return None


def _read(
    one: str, code: int | None, provider: str | None, rules: Rules, alone: bool
) -> Iterator[tuple[str | None, Answer]]:
    """Read one argument: a path if there is such a file or folder, `-` for stdin, else a reply."""
    if one == "-":
        yield from _content(None, sys.stdin.buffer.read(), code, provider, rules)
        return
    path = Path(one)
    if _is(path.is_dir):
        yield from _folder(path, code, provider, rules)
    elif _is(path.is_file):
        yield from _file(path, code, provider, rules)
    elif Path(one).suffix in _SUFFIXES[:-1] and " " not in one:
        raise ConfigError(f"{one}: there is no such file; expected a mail, an mbox, an event file, a folder or a reply")
    else:
        yield None, _reply(one, code, rules)


def _is(check: Any) -> bool:
    try:
        return bool(check())
    except (OSError, ValueError):  # a long reply is no path
        return False


def _folder(folder: Path, code: int | None, provider: str | None, rules: Rules) -> Iterator[tuple[str | None, Answer]]:
    """Read what looks like mail or events in a folder and below, by name."""
    for path in sorted(folder.rglob("*")):
        plain = path.suffix.lower() in _SUFFIXES or ":2," in path.name
        if not plain or any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        try:
            yield from _file(path, code, provider, rules)
        except (EventError, ConfigError) as fault:
            note(f"{path}: passed over: {fault}")


def _file(path: Path, code: int | None, provider: str | None, rules: Rules) -> Iterator[tuple[str | None, Answer]]:
    """Read a file; a large mbox mail by mail."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
            if start.startswith(b"From ") or path.suffix.lower() in (".mbox", ".mbx"):
                for raw in _mbox(path):
                    yield from _mail(str(path), raw, rules)
                return
            file.seek(0)
            raw = file.read()
    except OSError as fault:
        raise ConfigError(f"{path}: can't be read: {fault.strerror}; check the name and the permissions") from None
    if path.suffix.lower() == ".eml" and not provider:
        yield from _mail(str(path), raw, rules)
        return
    yield from _content(str(path), raw, code, provider, rules)


def _content(
    name: str | None, raw: bytes, code: int | None, provider: str | None, rules: Rules
) -> Iterator[tuple[str | None, Answer]]:
    """Read bytes for what they are: events, mail, or replies line by line."""
    from harness.bounce.events import looks_like_events, read_events

    if provider or looks_like_events(raw):
        try:
            answers = read_events(raw, provider, rules=rules, source=name)
        except EventError as fault:
            raise EventError(f"{name or 'stdin'}: {fault}") from None
        yield from ((name, answer) for answer in answers)
    elif _looks_like_mail(raw):
        for mail in _split(raw) if raw.startswith(b"From ") else [raw]:
            yield from _mail(name, mail, rules)
    else:
        for line in raw.decode("utf-8", "replace").splitlines():
            if line.strip():
                yield name, _reply(line, code, rules)


def _looks_like_mail(raw: bytes) -> bool:
    start = raw[:4096].lstrip()
    if start.startswith(_MAIL_STARTS):
        return True
    first, _, rest = start.partition(b"\n")
    name, colon, _ = first.partition(b":")
    another = rest.partition(b"\n")[0]
    header = bool(colon) and bool(name) and name.replace(b"-", b"").isalnum() and not name.isdigit()
    return (
        header and (b":" in another or another[:1] in (b" ", b"\t")) and b"\n\n" in raw[:200000].replace(b"\r\n", b"\n")
    )


def _mail(name: str | None, raw: bytes, rules: Rules) -> Iterator[tuple[str | None, Answer]]:
    from harness.bounce.dsn import read_mail

    return ((name, answer) for answer in read_mail(raw, rules=rules, source=name))


def _mbox(path: Path) -> Iterator[bytes]:
    import mmap

    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        yield from _split(whole)


def _split(whole: Any) -> Iterator[bytes]:
    """Part an mbox at its "From " lines (RFC 4155)."""
    at, end = 0, len(whole)
    while at < end:
        following = min(
            (place for place in (whole.find(b"\n\nFrom ", at), whole.find(b"\r\n\r\nFrom ", at)) if place >= 0),
            default=-1,
        )
        stop = end if following < 0 else following + (2 if whole[following : following + 1] == b"\n" else 4)
        yield bytes(whole[at:stop])
        at = stop


def _reply(text: str, code: int | None, rules: Rules) -> Answer:
    from harness.bounce.reply import kind_of, read_reply
    from harness.model.answer import Answer, Source

    reading = read_reply(text, code=code, rules=rules)
    return Answer(kind=kind_of(reading), source=Source.SESSION, reading=reading)


def _record(file: str | None, answer: Answer) -> dict[str, Any]:
    """Make the JSON object of one answer; null where the source has none."""
    from harness.model.answer import Kind

    reading = answer.reading
    silent = (
        answer.kind in (Kind.OTHER, Kind.MDN) and reading.rule in ("none", "event-other") and reading.cause == "unknown"
    )
    return {
        "file": file,
        "kind": answer.kind.value,
        "recipient": answer.recipient,
        "action": answer.action,
        "code": reading.code,
        "status": reading.enhanced,
        "tag": reading.tag,
        "class": None if silent else reading.cause,
        "level": None if silent else reading.level.value,
        "evidence": None if silent else reading.evidence.value,
        "rule": None if silent else reading.rule,
        "text": reading.text or None,
        "original_message_id": answer.message_id,
        "provider": answer.provider,
        "trial": answer.trial,
        "time": answer.time.isoformat().replace("+00:00", "Z") if answer.time else None,
        "from_receiver": answer.from_receiver,
    }


def _show(found: list[tuple[str | None, Answer]], rules: Rules) -> None:
    """Print a table, then what each class in it means, once."""
    from harness.bounce.catalogue import LEVELS, explain

    if not found:
        note("nothing to classify: no reply, mail or event was found")
        return
    rows = [
        [
            *([Path(file).name if file else ""] if any(name for name, _ in found) else []),
            answer.recipient or "",
            answer.kind.value,
            *(str(answer.reading.code or ""), answer.reading.enhanced or "", answer.reading.tag or ""),
            *(answer.reading.cause, answer.reading.level.value),
        ]
        for file, answer in found
    ]
    names = ["Recipient", "Kind", "Code", "Status", "Tag", "Class", "Level"]
    echo(table(rows, ["File", *names] if any(name for name, _ in found) else names))
    told: set[str] = set()
    for _, answer in found:
        meaning = explain(answer.reading, rules)
        if meaning.title in told:
            continue
        told.add(meaning.title)
        echo(f"\n{clean(meaning.title)}: {meaning.meaning}")
        echo(f"  For an Apple sender: {meaning.apple}")
        echo(f"  What to do: {meaning.advice}")
        echo(f"  Level: {LEVELS[answer.reading.level]}; {meaning.evidence}.")
        if meaning.dispute:
            echo(f"  {clean(meaning.dispute)}")
        echo(f"  Sources: {clean('; '.join(meaning.sources))}")
