"""Signing: who signs a message, and whether a verifier can use the key that is published for it (RFC 6376)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.check.anatomy import Anatomy, dissect
from harness.check.lookup import Resolver, could_not
from harness.check.notice import Grade, Notice

ONE_CLICK = ("list-unsubscribe", "list-unsubscribe-post")
MOST_SIGNATURES = 10  # of one message
WEAK_BITS = 1024  # RFC 8301: signers must use at least 1024, should use 2048; verifiers must not accept less than 1024


@dataclass(frozen=True, slots=True)
class Signer:
    """A domain and selector: named in check.yaml or campaign.yaml, or seen in a copy that was read back."""

    domain: str
    selector: str
    public: bytes = b""  # of campaign.yaml's private key, as DER: what must be published
    algorithm: str = ""  # by which it signed a copy
    covers: tuple[str, ...] | None = None  # the headers that it signs, where that is known

    @property
    def about(self) -> str:
        """Name it in the table."""
        return f"DKIM {self.selector}, d={self.domain}"


@dataclass(frozen=True, slots=True)
class Key:
    """What is published for a signer; `usable` is None where that could not be found out."""

    signer: Signer
    usable: bool | None
    notices: list[Notice] = field(default_factory=list)


def tags_of(record: str) -> dict[str, str]:
    """Cut a tag list (RFC 6376 section 3.2) into its tags."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): re.sub(r"\s+", "", value) for name, sign, value in pairs if sign}


def head_of(raw: bytes) -> Anatomy:
    """Read a message's headers alone: there may be thousands of copies."""
    return dissect(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n\r\n")


def signers_of(raw: bytes) -> list[Signer]:
    """Return who signed a message, and which headers where it has those of one-click unsubscribing."""
    head = head_of(raw)
    telling = all(head.all(name) for name in ONE_CLICK)
    return [
        Signer(
            tags["d"].lower(),
            tags["s"],
            algorithm=tags.get("a", "").lower(),
            covers=tuple(tags.get("h", "").lower().split(":")) if telling else None,
        )
        for tags in map(tags_of, head.all("DKIM-Signature")[:MOST_SIGNATURES])
        if tags.get("d") and tags.get("s")
    ]


def one_click_notices(raw: bytes, signers: Sequence[Signer]) -> list[Notice]:
    """Say what RFC 8058 asks of the header and its signature: one https: URI, and one signature over both fields."""
    head, about, out = head_of(raw), "production", []
    if not head.all(ONE_CLICK[1]):
        return []
    urls = re.findall(r"<\s*(https:[^<>]*)>", ",".join(head.all(ONE_CLICK[0])), re.IGNORECASE)
    if len(urls) > 1:
        do = "Leave one: receivers post to whichever they like (RFC 8058 section 3.1)."
        out.append(
            Notice(
                "one-click-several",
                Grade.WARN,
                about,
                f"{len(urls)} https: links to unsubscribe",
                " ".join(urls)[:300],
                do,
            )
        )
    known = [signer for signer in signers if signer.covers is not None]
    if known and not any(set(ONE_CLICK) <= set(signer.covers or ()) for signer in known):
        said = "; ".join(f"d={signer.domain}: h={':'.join(signer.covers or ())[:200]}" for signer in known)
        what = "no signature covers List-Unsubscribe and List-Unsubscribe-Post, so one-click does not count"
        do = "Sign both (RFC 8058 section 4): dkim.headers in campaign.yaml, or the settings of the relay."
        out.append(Notice("one-click-unsigned", Grade.WARN, about, what, said[:400], do))
    return out


def find_key(signer: Signer, resolver: Resolver) -> Key:
    """Look a signer's key up, and say what is wrong with it."""
    about, name = signer.about, f"{signer.selector}._domainkey.{signer.domain}"
    if signer.algorithm == "rsa-sha1":
        what, do = (
            "a signature that receivers must not count (a=rsa-sha1)",
            "Sign with rsa-sha256 (RFC 8301 section 3.1).",
        )
        return Key(signer, False, [Notice("dkim-sha1", Grade.WARN, about, what, "a copy that was read back", do)])
    found = resolver.ask(name, "TXT")
    if found.failed:
        unknown = Notice(
            "dkim", Grade.UNKNOWN, about, "DKIM key could not be checked", could_not(found), "Ask again later."
        )
        return Key(signer, None, [unknown])
    if not found.records:
        do = "Publish the key that the relay signs with, or name the right selector in check.yaml."
        missing = Notice(
            "dkim-missing", Grade.FAIL, about, "no DKIM key under this selector", f"TXT {name}: {found.none}", do
        )
        return Key(signer, False, [missing])
    holding = [record for record in found.records if "p=" in record]
    if len(holding) > 1:
        what, do = (
            f"{len(holding)} keys under one selector",
            "Leave one: which of them counts is undefined (RFC 6376 section 3.6.2.2).",
        )
        return Key(signer, False, [Notice("dkim-several", Grade.FAIL, about, what, f"TXT {name}", do)])
    record = (holding or found.records)[0]
    tags = tags_of(record)
    useless = _useless(signer, record, tags)
    return Key(signer, False, [useless]) if useless else Key(signer, True, _useful(about, record, tags))


def _useless(signer: Signer, record: str, tags: Mapping[str, str]) -> Notice | None:
    """Say why no verifier can use a key for this signer."""
    about, shown = signer.about, record[:200]
    if "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
        do = "Publish v=DKIM1; k=rsa; p=…"
        return Notice("dkim-invalid", Grade.FAIL, about, "the DKIM record holds no key", shown, do)
    if not tags["p"]:
        do = "Sign with a key that is published."
        return Notice("dkim-revoked", Grade.FAIL, about, "this DKIM key is revoked (empty p=)", shown, do)
    kind, bits, published = _read(tags)
    if bits == 0:
        do = "Publish the key as base64 in one record."
        return Notice("dkim-invalid", Grade.FAIL, about, "the DKIM key can't be read", shown, do)
    if kind == "rsa" and bits < WEAK_BITS:
        do = "Receivers ignore keys under 1024 bits (RFC 8301); make one of 2048."
        return Notice("dkim-weak", Grade.FAIL, about, f"the DKIM key has {bits} bits", shown, do)
    if "h" in tags and "sha256" not in tags["h"].lower().split(":"):
        do = "Take h= out, or write h=sha256: receivers must not count sha1 (RFC 8301)."
        return Notice(
            "dkim-invalid", Grade.FAIL, about, f"the DKIM key is for {tags['h'] or 'no hash'} alone", shown, do
        )
    if "s" in tags and not {"*", "email"} & set(tags["s"].lower().split(":")):
        do = "Take s= out, or write s=email (RFC 6376 section 3.6.1)."
        return Notice(
            "dkim-invalid", Grade.FAIL, about, f"the DKIM key is for {tags['s'] or 'nothing'}, not for mail", shown, do
        )
    if signer.public and signer.public != published:
        what = "the published key does not belong to the key that campaign.yaml signs with"
        do = "Publish the public half of dkim.key under this selector, or sign with the key that is published."
        return Notice("dkim-mismatch", Grade.FAIL, about, what, shown, do)
    return None


def _useful(about: str, record: str, tags: Mapping[str, str]) -> list[Notice]:
    """Say what could be better about a key that verifiers use."""
    (kind, bits, _), shown = _read(tags), record[:120]
    out = []
    if kind == "rsa" and bits < 2048:
        do = "Make one of 2048 bits (RFC 8301 section 3.2)."
        out.append(Notice("dkim-short", Grade.WARN, about, f"the DKIM key has {bits} bits", shown, do))
    if "y" in tags.get("t", "").split(":"):
        do = "Take t=y out; receivers may treat the mail as unsigned."
        out.append(Notice("dkim-testing", Grade.WARN, about, "the DKIM key is in test mode (t=y)", shown, do))
    return out or [Notice("dkim", Grade.OK, about, f"DKIM key of {bits} bits ({kind})", shown)]


def _read(tags: Mapping[str, str]) -> tuple[str, int, bytes]:
    """Return a key's algorithm, its bits (0 if it can't be read) and the key itself."""
    kind = tags.get("k", "rsa").lower()
    try:
        raw = base64.b64decode(tags["p"], validate=True)
    except (binascii.Error, ValueError):
        return kind, 0, b""
    if kind == "ed25519":
        return kind, 256 if len(raw) == 32 else 0, raw
    if kind != "rsa":
        return kind, 0, raw
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        return kind, 0, raw
    if not isinstance(key, RSAPublicKey):
        return kind, 0, raw
    return kind, key.key_size, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
