"""Intake: a message, a bounce, a page or MJML becomes a campaign folder, whole or not at all."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.bounce.dsn import read_mail
from harness.campaign.expand import expand
from harness.campaign.received import read_received
from harness.campaign.recipients import make_profiles
from harness.campaign.returned import Letter, letter_in
from harness.campaign.syntax.convert import convert, known_syntax
from harness.campaign.syntax.detect import detect
from harness.edge.config import Workspace, is_address
from harness.errors import ConfigError
from harness.model.answer import Kind
from harness.model.campaign import Campaign
from harness.model.mime import mailboxes, read_fields, readable
from harness.model.seed import Seed, Segment
from harness.run.mergerows import read_rows
from harness.run.newcampaign import as_yaml, campaign_name, campaign_yaml, one_line, vacant, write_folder
from harness.run.pagebytes import compile_mjml, page_text

MAX_BYTES = 20_000_000
_PAGES = (".html", ".htm", ".xhtml", ".j2", ".liquid", ".hbs", ".handlebars", ".mustache")
_FIELD = re.compile(rb"(?:>?From [^\n]{1,400}\n|[!-9;-~]{1,76}[ \t]*:)")
_PAGE = re.compile(rb"<(?:!doctype|html|head|body|table|div|p)\b", re.IGNORECASE)
_OUTLOOK = b"\xd0\xcf\x11\xe0"
AUTHOR = "Your Shop <news@your-shop.example>"
ENVELOPE = "bounces@your-shop.example"
SUBJECT = "The subject of the campaign"
_REPORTS = (Kind.BOUNCE, Kind.DEFERRED, Kind.EXPIRED, Kind.SUPPRESSED, Kind.DELIVERED, Kind.COMPLAINT, Kind.MDN)
_NULLS_DIFFER = ("liquid", "braze")  # nothing is false there, and an empty text is true


@dataclass(frozen=True)
class Made:
    """A campaign that was written: its name, its files in the order of interest, and what the operator should know."""

    name: str
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass
class _Folder:
    """What is to be written."""

    files: dict[str, bytes] = field(default_factory=dict)
    settings: list[tuple[str, object, str]] = field(default_factory=list)  # key, value, comment
    notes: list[str] = field(default_factory=list)
    used: frozenset[str] = frozenset()  # merge fields that the templates ask for
    needed: frozenset[str] = frozenset()  # those that no recipient may lack
    syntax: str = "none"


def intake(
    workspace: Workspace,
    file: Path,
    *,
    name: str | None = None,
    text: Path | None = None,
    data: Path | None = None,
    syntax: str | None = None,
    keep_unknown: bool = False,
) -> Made:
    """Make variants/NAME from a file; nothing is written unless all of it can be.

    Raises:
        ConfigError: the file, a tag in it, the rows or the name are wrong.
    """
    chosen = campaign_name(file, name)
    if syntax is not None:
        known_syntax(syntax)
    target = vacant(workspace, chosen)
    raw = read_limited(file)
    rows = read_rows(read_limited(data), data.name) if data else []
    if kind_of(file, raw) == "message":
        if text is not None:
            raise ConfigError(f"--text {text.name}: a message brings its own text part; --text goes with a page")
        folder = _message(file, raw)
        folder.notes += [f"the first row of {data.name} is taken to be this recipient's"] if data else []
    else:
        samples = [*rows, *(seed.merge for seed in _seeds(workspace))]
        folder = _page(file, raw, text, syntax, keep_unknown, samples)
        folder.notes += missing_fields(folder.needed, workspace, rows)
    if data:
        _profiles(folder, rows, data.name)
    folder.files = {"campaign.yaml": campaign_yaml(file.name, folder.settings), **folder.files}
    write_folder(target, folder.files)
    return Made(chosen, tuple(folder.files), tuple(dict.fromkeys(folder.notes)))


def _profiles(folder: _Folder, rows: Sequence[Mapping[str, object]], file: str) -> None:
    used = frozenset(re.split(r"[.\[]", name)[0] for name in folder.used)
    profiles = make_profiles(rows, file, used, None if folder.syntax in _NULLS_DIFFER else "")
    names = [str(row["profile"]) for row in profiles.rows]
    folder.files["profiles.yaml"] = as_yaml(list(map(dict, profiles.rows)))
    folder.settings.append(("profiles", "profiles.yaml", "merge rows that seeds can wear"))
    folder.notes += [*profiles.notes, f"profiles fill what seeds lack, and --wear has seeds wear them: {_few(names)}"]


def read_limited(file: Path) -> bytes:
    """Read a file that may be too large, missing, or no file.

    Raises:
        ConfigError: it is one of these.
    """
    try:
        with file.open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{file}: is larger than a mail can be ({MAX_BYTES:,} bytes at most)")
    if not raw.strip():
        raise ConfigError(f"{file}: is empty")
    return raw


def kind_of(file: Path, raw: bytes) -> str:
    """Tell a `message` from a `page` and from `mjml`, by the file's name and then by how it begins.

    Raises:
        ConfigError: it is none of these.
    """
    lower = file.name.lower()
    if raw.startswith(_OUTLOOK):
        raise ConfigError(
            f"{file.name}: is an Outlook .msg; save or forward the message as .eml (message source) instead"
        )
    if lower.endswith(".mjml"):
        return "mjml"
    if lower.endswith(_PAGES):
        return "page"
    if lower.endswith(".eml") or _FIELD.match(raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")):
        return "message"
    if _PAGE.search(raw[:100_000]):
        return "page"
    raise ConfigError(
        f"{file.name}: is neither a message (.eml) nor a page (.html, .mjml); give it the ending of what it is"
    )


# Messages


def _message(file: Path, raw: bytes) -> _Folder:
    notes: list[str] = []
    guess: str | None = None
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise ConfigError(
            f"{file.name}:{line}: holds a NUL byte, which SMTP does not carry; import the message as it was sent"
        )
    if _is_bounce(raw):
        letter = _brought_back(file, raw)
        raw, guess = letter.content, letter.envelope_sender
        notes.append("the file is a bounce; the campaign is the message that it brings back")
        if letter.shortened:
            notes.append("the bounce brings the message back cut short: what is missing is not retested")
    received = read_received(file.name, raw)
    _check_whole(file, received.content)
    fields, _ = read_fields(raw, 0, len(raw))
    if any(one.key == "return-path" for one in fields) or not is_address(guess or ""):
        guess = received.envelope_sender if is_address(received.envelope_sender or "") else None
    author = author_of(received.content) or AUTHOR
    folder = _Folder(notes=[*notes, *received.notes])
    folder.settings = [
        ("from", author, "as the message says it"),
        ("envelope_sender", guess or ENVELOPE, "guessed: write the address whose mailbox you read bounces from"),
        ("message", "message.eml", "production, byte for byte but for To, Date, Message-ID"),
    ]
    folder.files["message.eml"] = received.content
    folder.notes += _laid_out(file, author, guess or ENVELOPE, received.content)
    if guess is None:
        folder.notes.append(
            f"envelope_sender: {ENVELOPE} is a stand-in; write your own into campaign.yaml before a run"
        )
    return folder


def author_of(content: bytes) -> str:
    """Write the message's From for people, its name quoted where it must be; empty if there is no address in it."""
    fields, _ = read_fields(content, 0, len(content))
    value = next((content[one.value : one.end] for one in fields if one.key == "from"), b"")
    for name, address in mailboxes(value.decode("utf-8", "replace")):
        if is_address(address):
            said = one_line(readable(name))
            if re.search(r"[()<>@,;:\\\".\[\]]", said):
                said = '"' + said.replace("\\", "\\\\").replace('"', '\\"') + '"'
            return f"{said} <{address}>" if said else address
    return ""


def _laid_out(file: Path, author: str, envelope: str, content: bytes) -> tuple[str, ...]:
    """See that the message can be cut into variants, before it is written; return what there is to know."""
    campaign = Campaign("imported", author, envelope, message=content, files={"message": file.name})
    nobody = Segment("none", "none", (Seed("seed@none.invalid", "custom"),))
    return expand(campaign, nobody).notes


def _is_bounce(raw: bytes) -> bool:
    """Tell a report about a message from the message itself."""
    return any(answer.kind in _REPORTS for answer in read_mail(raw))


def _brought_back(file: Path, raw: bytes) -> Letter:
    letter = letter_in(raw)
    if letter is None:
        raise ConfigError(
            f"{file.name}: is a bounce that brings no message back, only words about one; import the message itself, "
            "from the sent folder or the ESP"
        )
    if letter.headers_only:
        fields, _ = read_fields(letter.content, 0, len(letter.content))
        said = next((letter.content[one.value : one.end] for one in fields if one.key == "subject"), b"")
        subject = " ".join(readable(said.decode("utf-8", "replace")).split())[:80]
        raise ConfigError(
            f"{file.name}: the bounce brings back only the headers (subject: {one_line(subject)}): the body (text, "
            "HTML, images, attachments) is missing; import the message itself, from the sent folder or the ESP"
        )
    return letter


def _check_whole(file: Path, content: bytes) -> None:
    """Refuse a message without a body: half a campaign would accuse the wrong half."""
    if not content.partition(b"\r\n\r\n")[2].strip():
        raise ConfigError(
            f"{file.name}: has header lines and no body (text, HTML, images, attachments); "
            "save the whole message source"
        )


# Pages


def _page(
    file: Path, raw: bytes, text: Path | None, syntax: str | None, keep: bool, rows: Sequence[Mapping[str, object]]
) -> _Folder:
    folder = _Folder()
    source = page_text(raw, file.name, folder.notes)
    if file.name.lower().endswith(".mjml"):
        source = compile_mjml(source, file.name)
    plain = page_text(read_limited(text), text.name, folder.notes) if text else None
    if syntax is None:
        syntax, note = detect(source, file.name)
        if syntax == "none" and plain is not None and text is not None:
            syntax, note = detect(plain, text.name)
        folder.notes += [f"{file.name}: merge tags are read as {syntax}"] if syntax != "none" and not note else []
        folder.notes += [note] if note else []
    made = [convert(source, file.name, syntax, keep, rows=rows)]
    folder.files["body.html.j2"] = made[0].template.encode()
    parts = [("html", "body.html.j2", "")]
    if plain is not None and text is not None:
        made.append(convert(plain, text.name, syntax, keep, html=False, rows=rows))
        folder.files["body.txt.j2"] = made[1].template.encode()
        parts.append(("text", "body.txt.j2", ""))
    subject = title_of(source, syntax, rows)
    folder.settings = [
        ("from", AUTHOR, "a stand-in: the author that recipients see"),
        ("envelope_sender", ENVELOPE, "a stand-in: where bounces go; becomes bounces+TOKEN@…"),
        ("subject", subject or SUBJECT, "the page's title: is it the subject?" if subject else "a stand-in"),
        *parts,
    ]
    stand_ins = (
        "from and envelope_sender are stand-ins" if subject else "from, envelope_sender and subject are stand-ins"
    )
    folder.notes += [note for one in made for note in one.notes]
    folder.notes.append(f"campaign.yaml: {stand_ins}; write what production has before a run")
    folder.used = frozenset(name for one in made for name in one.fields)
    folder.needed = frozenset(name for one in made for name in one.fields if name not in one.optional)
    folder.syntax = made[0].syntax
    return folder


def title_of(source: str, syntax: str | None, rows: Sequence[Mapping[str, object]]) -> str:
    """Take the page's title for a subject, converted; nothing where it has none, or where its tag is the subject."""
    lower = source[:200_000].lower()
    start = lower.find("<title")
    begin = lower.find(">", start) + 1
    end = lower.find("</title", begin)
    if start < 0 or not begin or end < 0:
        return ""
    title = " ".join(html.unescape(source[begin:end]).split())[:300]
    if re.search(r"subject", title, re.IGNORECASE) and re.search(r"[*{%]", title):
        return ""
    try:
        return convert(title, "title", syntax, html=False, rows=rows).template.strip()
    except ConfigError:
        return ""


def missing_fields(fields: Iterable[str], workspace: Workspace, rows: Sequence[Mapping[str, object]] = ()) -> list[str]:
    """Say which merge fields the seeds still need, lists with what their items have; profiles fill what seeds lack."""
    filled = set.intersection(*map(set, rows)) if rows else set()
    needed: dict[str, list[str]] = {}
    for name in sorted(fields):
        head, inside, rest = name.partition("[]")
        inner = needed.setdefault(head if inside else name.partition(".")[0], [])
        if rest:
            inner.append(rest.lstrip("."))
    seeds = _seeds(workspace)
    lacking = [name for name in needed if not seeds or any(name not in seed.merge for seed in seeds)]
    absent = [name for name in lacking if name not in filled]
    if not absent:
        return []
    words = [f"{name} (a list of {', '.join(needed[name])})" if needed[name] else name for name in absent]
    return [f"every seed's `merge:` in seeds.yaml needs, and does not have yet: {', '.join(words)}"]


def _seeds(workspace: Workspace) -> list[Seed]:
    """List the seeds; a seeds.yaml that is wrong is no reason not to import."""
    with contextlib.suppress(ConfigError):
        return [seed for segment in workspace.segments.values() for seed in segment.seeds]
    return []


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
