"""One campaign's folder: campaign.yaml and the files that it names, and no file outside."""

from __future__ import annotations

import csv
import io
import json
import mimetypes
import re
from pathlib import Path

from harness.edge.schema import AttachmentFile, CampaignFile, check
from harness.edge.secret import is_reference, resolve
from harness.edge.yamlfile import Document, Place, parse_yaml, read_yaml
from harness.errors import ConfigError
from harness.model.campaign import Attachment, Campaign, Dkim, Plain, Profile

MAX_TEMPLATE = 25_000_000
MAX_ATTACHMENT = 25_000_000
_TEMPLATE_ENDS = (".j2", ".html", ".htm", ".txt")


def read_campaign(folder: Path, name: str) -> Campaign:
    """Read a campaign folder; `name` is how errors call it (variants/spring-sale).

    Raises:
        ConfigError: a key, a file or its bytes are wrong.
    """
    document = read_yaml(folder / "campaign.yaml", f"{name}/campaign.yaml")
    file = check(document, CampaignFile)
    source = _Folder(folder, name, document)
    _consistent(file, document)
    for key, value in file.headers.items():
        if not re.fullmatch(r"[!-9;-~]{1,76}", key):
            raise document.error(("headers", key), f"{key!r} is no header name (RFC 5322 section 2.2)")
        _one_line(document, ("headers", key), value)
    for key, line in (
        ("from", file.from_),
        ("envelope_sender", file.envelope_sender),
        ("reply_to", file.reply_to),
        ("subject", file.subject),
    ):
        _one_line(document, (key,), line or "")
    files = {"subject": f"{name}/campaign.yaml:{document.line(('subject',))}"}
    for key in ("html", "text", "message"):
        if getattr(file, key):
            files[key] = f"{name}/{getattr(file, key)}"
    return Campaign(
        name=folder.name,
        sender=file.from_,
        envelope_sender=file.envelope_sender,
        subject=file.subject,
        reply_to=file.reply_to,
        preheader=file.preheader,
        html=source.text(file.html, ("html",)),
        text=source.text(file.text, ("text",)),
        message=source.bytes(file.message, ("message",), MAX_TEMPLATE) if file.message else None,
        headers=dict(file.headers),
        attachments=tuple(source.attachment(entry, ("attachments", i)) for i, entry in enumerate(file.attachments)),
        transactional=file.transactional,
        plain=Plain(file.plain.subject, file.plain.text, dict(file.plain.merge), dict(file.plain.redirects)),
        profiles=source.profiles(file.profiles),
        dkim=source.dkim(file),
        files=files,
        directory=str(folder),
        includes=source.includes(),
    )


def _consistent(file: CampaignFile, document: Document) -> None:
    if file.message:
        for key in ("html", "text", "attachments", "preheader", "subject"):
            if getattr(file, key):
                raise document.error(
                    (key,), f"{key!r} and 'message' exclude each other: an imported message brings its own"
                )
    elif not file.html and not file.text:
        raise document.error((), "neither 'html' nor 'text' is given; name the template file of at least one")
    elif not file.subject:
        raise document.error((), "key 'subject' is missing; a campaign has a subject line")


def _one_line(document: Document, place: Place, value: str) -> None:
    if re.search(r"[\r\n\0]", value):
        raise document.error(place, f"{place[-1]}: a line break here would add a header; write it on one line")


class _Folder:
    """Files of one folder, by the names that campaign.yaml gives them."""

    def __init__(self, folder: Path, name: str, document: Document) -> None:
        self.folder, self.name, self.document = folder.resolve(), name, document

    def bytes(self, file: str, place: Place, limit: int) -> bytes:
        path = (self.folder / file).resolve()
        if not path.is_relative_to(self.folder):
            raise self.document.error(place, f"{file}: a campaign's files stand in its own folder ({self.name}/)")
        try:
            if path.stat().st_size > limit:
                raise self.document.error(place, f"{file} has {path.stat().st_size} bytes; {limit} are the most")
            return path.read_bytes()
        except FileNotFoundError:
            have = ", ".join(sorted(p.name for p in self.folder.iterdir() if p.is_file()))
            raise self.document.error(place, f"there is no file {self.name}/{file} (the folder holds {have})") from None
        except OSError as error:
            raise self.document.error(place, f"{file} can't be read: {error.strerror or error}") from None

    def text(self, file: str | None, place: Place) -> str | None:
        if file is None:
            return None
        raw = self.bytes(file, place, MAX_TEMPLATE)
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            byte = raw[error.start]
            raise ConfigError(
                f"{self.name}/{file}:{line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
            ) from None

    def attachment(self, entry: str | AttachmentFile, place: Place) -> Attachment:
        if isinstance(entry, str):
            entry = AttachmentFile(file=entry)
        content = self.bytes(entry.file, place, MAX_ATTACHMENT)
        name = entry.name or Path(entry.file).name
        guessed = entry.type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        for value in (name, guessed, entry.content_id or ""):
            _one_line(self.document, place, value)
        return Attachment(name, content, guessed, entry.content_id)

    def profiles(self, file: str | None) -> tuple[Profile, ...]:
        """Read merge rows: a CSV with a header line, a JSON or a YAML list of mappings."""
        if file is None:
            return ()
        raw = self.bytes(file, ("profiles",), MAX_TEMPLATE)
        where = f"{self.name}/{file}"
        rows = _rows(raw, where)
        return tuple(Profile(str(row.pop("profile", "") or f"profile-{i}"), row) for i, row in enumerate(rows, 1))

    def dkim(self, file: CampaignFile) -> Dkim | None:
        if file.dkim is None:
            return None
        where = f"{self.name}/campaign.yaml: dkim.key"
        if is_reference(file.dkim.key):
            key = resolve(file.dkim.key, where)
        else:
            path = Path(file.dkim.key).expanduser()
            path = path if path.is_absolute() else self.folder / path
            try:
                key = path.read_text()
            except (OSError, UnicodeDecodeError):
                raise ConfigError(f"{where}: {file.dkim.key} can't be read; give a PEM file or ${{VARIABLE}}") from None
        headers = tuple(file.dkim.headers) if file.dkim.headers else Dkim("", "", "").headers
        return Dkim(file.dkim.domain, file.dkim.selector, key, headers)

    def includes(self) -> dict[str, str]:
        """Return the folder's other template files, which templates may include."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            inside = path.is_file() and path.suffix in _TEMPLATE_ENDS and path.resolve().is_relative_to(self.folder)
            if inside and path.stat().st_size < MAX_TEMPLATE:
                found[str(path.relative_to(self.folder))] = path.read_bytes().decode("utf-8-sig", "replace")
        return found


def _rows(raw: bytes, where: str) -> list[dict[str, object]]:
    if where.endswith(".csv"):
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig", "replace"), newline=""))
        return [{key: value for key, value in row.items() if key is not None} for row in reader]
    if where.endswith(".json"):
        try:
            rows = json.loads(raw)
        except ValueError as error:
            raise ConfigError(f"{where}: this is not JSON: {error}") from None
    else:
        rows = parse_yaml(raw, where).data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{where}: a list of merge rows (mappings) was expected")
    return [dict(row) for row in rows]
