"""The workspace's files, read and checked whole before anything is sent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.edge.campaign_folder import read_campaign
from harness.edge.schema import BounceFile, RelayFile, RelaysFile, SeedFile, SeedsFile, SegmentFile, check
from harness.edge.secret import resolve
from harness.edge.yamlfile import Document, Place, nearest, read_yaml
from harness.errors import ConfigError
from harness.model.campaign import Campaign
from harness.model.relay import Answers, BounceSource, Pace, Relay, Tls
from harness.model.seed import APPLE_DOMAINS, MAX_SEEDS, Mailbox, Seed, Segment, is_reserved

# One @, no white space, no brackets, no control characters: what can go into RCPT TO as it is.
_ADDRESS = re.compile(
    r"[^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f]{1,64}@[A-Za-z0-9\u0080-\uffff](?:[-.A-Za-z0-9\u0080-\uffff]{0,253})"
)


def is_address(text: str) -> bool:
    """Tell whether a text is a bare address that an envelope can hold."""
    return _ADDRESS.fullmatch(text) is not None and ".." not in text


def find_workspace(start: Path) -> Path:
    """Look for a folder with seeds.yaml from `start` upwards.

    Raises:
        ConfigError: there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "seeds.yaml").is_file():
            return folder
    raise ConfigError(
        f"no workspace here: {start.resolve()} and the folders above it hold no seeds.yaml; "
        "`harness init DIR` makes one, --workspace DIR names one"
    )


@dataclass(frozen=True)
class Workspace:
    """A folder with seeds.yaml, relay.yaml, variants/ and results/; files are read when first asked for."""

    root: Path

    @property
    def results(self) -> Path:
        """Where the ledger and the reports lie."""
        return self.root / "results"

    @property
    def ledger_path(self) -> Path:
        """The one record."""
        return self.results / "ledger.sqlite"

    @cached_property
    def segments(self) -> Mapping[str, Segment]:
        """All segments of seeds.yaml."""
        document = read_yaml(self.root / "seeds.yaml")
        file = check(document, SeedsFile)
        return {name: _segment(name, entry, document) for name, entry in file.segments.items()}

    def segment(self, name: str | None = None) -> Segment:
        """Return a segment; without a name the only one there is."""
        if name is None and len(self.segments) == 1:
            return next(iter(self.segments.values()))
        if name is None:
            raise ConfigError(
                f"seeds.yaml: there are several segments; name one with --segment ({', '.join(self.segments)})"
            )
        if name not in self.segments:
            raise ConfigError(f"seeds.yaml: no segment is called {name!r}{nearest(name, list(self.segments))}")
        return self.segments[name]

    @cached_property
    def _relay_document(self) -> Document:
        return read_yaml(self.root / "relay.yaml")

    @cached_property
    def _relays(self) -> RelaysFile:
        file = check(self._relay_document, RelaysFile)
        if file.default not in file.relays:
            hint = nearest(file.default, list(file.relays))
            raise self._relay_document.error(("default",), f"no relay is called {file.default!r}{hint}")
        return file

    @cached_property
    def relays(self) -> Mapping[str, Relay]:
        """All relays, secrets still as references."""
        return {name: self._relay(name, entry) for name, entry in self._relays.relays.items()}

    def relay(self, name: str | None = None) -> Relay:
        """Return a relay by name, or the default one; its secrets are still references."""
        name = name or self._relays.default
        if name not in self.relays:
            raise ConfigError(f"relay.yaml: no relay is called {name!r}{nearest(name, list(self.relays))}")
        return self.relays[name]

    def unlock(self, relay: Relay) -> Relay:
        """Return the relay with its SMTP password resolved, for the one who connects."""
        if relay.password is None:
            return relay
        return replace(relay, password=resolve(relay.password, f"relay.yaml: relays.{relay.name}.password"))

    def unlock_source(self, relay: Relay, source: BounceSource) -> BounceSource:
        """Return a bounce source with its password and secret resolved."""
        where = f"relay.yaml: relays.{relay.name}.bounces"
        if source.password:
            source = replace(source, password=resolve(source.password, where))
        if source.secret:
            source = replace(source, secret=resolve(source.secret, where))
        return source

    def unlock_mailbox(self, mailbox: Mailbox) -> Mailbox:
        """Return a seed's mailbox with its password resolved."""
        return replace(mailbox, password=resolve(mailbox.password, f"seeds.yaml: mailbox {mailbox.username}"))

    @property
    def campaigns(self) -> tuple[str, ...]:
        """Names of the campaigns under variants/."""
        folder = self.root / "variants"
        return tuple(sorted(path.parent.name for path in folder.glob("*/campaign.yaml")))

    def campaign(self, name: str) -> Campaign:
        """Read one campaign with all its files."""
        name = name.rstrip("/").removeprefix("variants/")
        if name not in self.campaigns:
            raise ConfigError(f"variants/: no campaign is called {name!r}{nearest(name, list(self.campaigns))}")
        return read_campaign(self.root / "variants" / name, f"variants/{name}")

    def document(self, name: str) -> Document | None:
        """Read an optional settings file of the workspace (rules.yaml, check.yaml); None if there is none."""
        path = self.root / name
        return read_yaml(path) if path.is_file() else None

    def path(self, text: str) -> Path:
        """Resolve a path of a settings file against the workspace (it may point outside, as a Maildir does)."""
        return (self.root / Path(text).expanduser()).resolve()

    def _relay(self, name: str, entry: RelayFile) -> Relay:
        document, place = self._relay_document, ("relays", name)
        if entry.kind == "sandbox":
            if not entry.policy:
                raise document.error(place, f"key 'policy' is missing in relays.{name}; name the sandbox's rule file")
        elif not entry.host:
            raise document.error(
                place, f"key 'host' is missing in relays.{name}; name the server, such as smtp.esp.example"
            )
        relay = Relay(
            name=name,
            kind=entry.kind,
            policy=entry.policy,
            host=entry.host or "127.0.0.1",
            port=entry.port or {"implicit": 465, "starttls": 587, "none": 25}[entry.tls],
            tls=Tls.NONE if entry.kind == "sandbox" else Tls(entry.tls),
            username=entry.username,
            password=entry.password,
            auth=entry.auth,
            ca_file=self._file(entry.ca_file),
            client_cert=self._file(entry.client_cert),
            client_key=self._file(entry.client_key),
            helo=entry.helo,
            source_address=entry.source_address,
            timeout=entry.timeout,
            content_timeout=entry.content_timeout,
            dsn=entry.dsn,
            answers=Answers(entry.answers),
            settle=entry.settle,
            pace=Pace(**entry.pace.model_dump()) if entry.kind != "sandbox" else _SANDBOX_PACE,
            headers=dict(entry.headers),
            bounces=tuple(self._source(source, (*place, "bounces", i)) for i, source in enumerate(entry.bounces)),
            sending_ips=tuple(entry.sending_ips),
            mail_from=(entry.mail_from or "").lower().rstrip("."),
            company=entry.company,
            contact=entry.contact,
        )
        self._check_relay(relay, entry, place)
        return relay

    def _check_relay(self, relay: Relay, entry: RelayFile, place: Place) -> None:
        document = self._relay_document
        if relay.tls is Tls.NONE and not relay.loopback:
            raise document.error(
                (*place, "tls"), f"relays.{relay.name}: tls: none is for loopback only; use starttls or implicit"
            )
        if (relay.username is None) != (relay.password is None):
            missing = "password" if relay.password is None else "username"
            raise document.error(place, f"relays.{relay.name}: username and password go together; {missing} is missing")
        if relay.username is not None and relay.tls is Tls.NONE:
            raise document.error(
                (*place, "username"), f"relays.{relay.name}: no password goes over an open connection; set tls"
            )
        for key in ("password",):
            _only_reference(document, (*place, key), entry.password)
        for name, value in relay.headers.items():
            _header_line(document, (*place, "headers", name), name, value)

    def _source(self, entry: BounceFile, place: Place) -> BounceSource:
        document = self._relay_document
        needed = {"imap": ("host", "username", "password"), "webhook": ("provider",)}.get(entry.kind, ("path",))
        for key in needed:
            if not getattr(entry, key):
                raise document.error(place, f"key {key!r} is missing for a source of kind {entry.kind}")
        _only_reference(document, (*place, "password"), entry.password or None)
        _only_reference(document, (*place, "secret"), entry.secret or None)
        if entry.tls == "none" and entry.host and not Relay("", "smtp", host=entry.host).loopback:
            raise document.error((*place, "tls"), "tls: none is for loopback only; use starttls or implicit")
        values = entry.model_dump() | {"tls": Tls(entry.tls), "ca_file": self._file(entry.ca_file)}
        return BounceSource(**values)

    def _file(self, text: str | None) -> str | None:
        return None if text is None else str(self.path(text))


_SANDBOX_PACE = Pace(
    gap=0.0, jitter=0.0, per_hour=None, messages_per_connection=10**9, avoid_top_of_hour=False, backoff=0.0
)


def load_workspace(start: Path | None = None, *, exactly: Path | None = None) -> Workspace:
    """Open the workspace at `exactly`, or the nearest one from `start` upwards."""
    if exactly is not None:
        if not (exactly / "seeds.yaml").is_file():
            raise ConfigError(f"{exactly}: this folder holds no seeds.yaml; `harness init {exactly}` makes a workspace")
        return Workspace(exactly.resolve())
    return Workspace(find_workspace(start or Path.cwd()))


def read_text(path: Path) -> str:
    """Read a UTF-8 file that an option names.

    Raises:
        ConfigError: it is missing or no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, to tell whether two runs had the same."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _segment(name: str, entry: SegmentFile, document: Document) -> Segment:
    place: Place = ("segments", name)
    if not entry.owner.strip():
        raise document.error(
            (*place, "owner"), f"segment {name!r} has no owner; say who vouches that these mailboxes are ours"
        )
    if len(entry.seeds) > MAX_SEEDS:
        raise document.error(
            (*place, "seeds", MAX_SEEDS),
            f"segment {name!r} has {len(entry.seeds)} seeds, and {MAX_SEEDS} is the most: this is no bulk mailer",
        )
    seeds: list[Seed] = []
    first: dict[str, int] = {}
    for i, seed_file in enumerate(entry.seeds):
        here = (*place, "seeds", i)
        seed = _seed(seed_file, here, document)
        key = seed.address.casefold()
        if key in first:
            raise document.error(
                here, f"seed {seed.address} stands here again (first in line {first[key]}); keep one of them"
            )
        first[key] = document.line(here)
        seeds.append(seed)
    return Segment(name, entry.owner.strip(), tuple(seeds), entry.daily_cap)


def _seed(entry: SeedFile, place: Place, document: Document) -> Seed:
    if not is_address(entry.address):
        raise document.error(
            (*place, "address"), f"{entry.address!r} is no address; write one such as seed-01@icloud.com"
        )
    host = entry.address.rpartition("@")[2].lower()
    domain = (entry.domain or host).lower()
    if domain not in APPLE_DOMAINS:
        raise document.error(
            (*place, "domain" if entry.domain else "address"),
            f"{domain!r} is not an Apple domain{nearest(domain, list(APPLE_DOMAINS))}; a seed is a mailbox at "
            "icloud.com, me.com, mac.com or privaterelay.appleid.com, or `domain: custom` (hosted on iCloud Mail)",
        )
    if not is_reserved(host) and host != domain and domain != "custom":
        raise document.error(
            (*place, "domain"),
            f"{entry.address} is not at {domain}; say {host}, or custom for a domain hosted on iCloud Mail",
        )
    for field, value in entry.merge.items():
        if not isinstance(value, (str, int, float, bool, list, dict, type(None))):
            raise document.error(
                (*place, "merge", field),
                f"merge.{field}: a text, number, list or mapping was expected; put a date in quotes",
            )
    mailbox = None
    if entry.mailbox is not None:
        _only_reference(document, (*place, "mailbox", "password"), entry.mailbox.password)
        mailbox = Mailbox(**entry.mailbox.model_dump())
    return Seed(entry.address, domain, entry.merge, mailbox)


def _only_reference(document: Document, place: Place, value: str | None) -> None:
    from harness.edge.secret import is_reference

    if value is not None and not is_reference(value):
        raise document.error(
            place,
            f"{place[-1]}: a secret has no place in a file; write ${{NAME}} here and set NAME in the environment "
            "(or ${keyring:service/user})",
        )


def _header_line(document: Document, place: Place, name: str, value: str) -> None:
    if not re.fullmatch(r"[!-9;-~]{1,76}", name):
        raise document.error(place, f"{name!r} is no header name (RFC 5322 section 2.2)")
    if re.search(r"[\r\n\0]", value):
        raise document.error(
            place, f"header {name}: a line break in its value would add a header; write it on one line"
        )
