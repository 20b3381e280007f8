"""Identity: DKIM keys, DMARC policy, and whether what signs and what bounces is aligned with From."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.check.lookup import Resolver, Suffixes, could_not
from harness.check.notice import Grade, Notice

WEAK_BITS = 1024  # RFC 8301: signers must use at least 1024, should use 2048; verifiers must not accept less than 1024

_DMARC1 = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dmarc:
    """The DMARC policy that holds for a From domain (RFC 7489 section 6.6.3)."""

    domain: str  # where the record stands
    tags: Mapping[str, str]
    record: str

    @property
    def policy(self) -> str:
        """`p`, or `sp` where the record stands at the organizational domain alone."""
        return self.tags.get("p", "none").lower()


def tags_of(record: str) -> dict[str, str]:
    """Cut a tag list (RFC 6376 section 3.2) into its tags."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): re.sub(r"\s+", "", value) for name, sign, value in pairs if sign}


def dkim_notices(domain: str, selector: str, resolver: Resolver) -> list[Notice]:
    """Say what is wrong with one DKIM key."""
    name = f"{selector}._domainkey.{domain}"
    about = f"DKIM {selector}, d={domain}"
    found = resolver.ask(name, "TXT")
    if found.failed:
        return [
            Notice("dkim", Grade.UNKNOWN, about, "DKIM key could not be checked", could_not(found), "Ask again later.")
        ]
    if found.absent or not found.records:
        return [
            Notice(
                "dkim-missing",
                Grade.FAIL,
                about,
                "no DKIM key under this selector",
                f"TXT {name}: {found.none}",
                "Publish the key that the relay signs with, or name the right selector in check.yaml.",
            )
        ]
    record = next((r for r in found.records if "p=" in r), found.records[0])
    tags = tags_of(record)
    if "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
        return [
            Notice(
                "dkim-invalid",
                Grade.FAIL,
                about,
                "the DKIM record holds no key",
                record[:200],
                "Publish v=DKIM1; k=rsa; p=…",
            )
        ]
    if not tags["p"]:
        return [
            Notice(
                "dkim-revoked",
                Grade.FAIL,
                about,
                "this DKIM key is revoked (empty p=)",
                record[:200],
                "Sign with a key that is published.",
            )
        ]
    kind, bits = _key(tags)
    if bits == 0:
        return [
            Notice(
                "dkim-invalid",
                Grade.FAIL,
                about,
                "the DKIM key can't be read",
                record[:200],
                "Publish the key as base64 in one record.",
            )
        ]
    if kind == "rsa" and bits < WEAK_BITS:
        return [
            Notice(
                "dkim-weak",
                Grade.FAIL,
                about,
                f"the DKIM key has {bits} bits",
                record[:120],
                "Receivers ignore keys under 1024 bits (RFC 8301); make one of 2048.",
            )
        ]
    out = []
    if kind == "rsa" and bits < 2048:
        out.append(
            Notice(
                "dkim-short",
                Grade.WARN,
                about,
                f"the DKIM key has {bits} bits",
                record[:120],
                "Make one of 2048 bits (RFC 8301 section 3.2).",
            )
        )
    if "y" in tags.get("t", "").split(":"):
        out.append(
            Notice(
                "dkim-testing",
                Grade.WARN,
                about,
                "the DKIM key is in test mode (t=y)",
                record[:120],
                "Take t=y out; receivers may treat the mail as unsigned.",
            )
        )
    return out or [Notice("dkim", Grade.OK, about, f"DKIM key of {bits} bits ({kind})", record[:120])]


def _key(tags: Mapping[str, str]) -> tuple[str, int]:
    """Return a key's algorithm and bits, 0 bits if it can't be read."""
    kind = tags.get("k", "rsa").lower()
    try:
        raw = base64.b64decode(tags["p"], validate=True)
    except (binascii.Error, ValueError):
        return kind, 0
    if kind == "ed25519":
        return kind, 256 if len(raw) == 32 else 0
    if kind != "rsa":
        return kind, 0
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        return kind, 0
    return kind, key.key_size if isinstance(key, RSAPublicKey) else 0


def find_dmarc(domain: str, resolver: Resolver, suffixes: Suffixes) -> tuple[Dmarc | None, list[Notice]]:
    """Find the policy for a From domain: its own, else its organizational domain's."""
    about = f"From {domain}"
    for where in dict.fromkeys((domain, suffixes.registrable(domain))):
        found = resolver.ask(f"_dmarc.{where}", "TXT")
        if found.failed:
            return None, [
                Notice(
                    "dmarc", Grade.UNKNOWN, about, "DMARC could not be checked", could_not(found), "Ask again later."
                )
            ]
        records = [r for r in found.records if _DMARC1.match(r)]
        if len(records) > 1:
            return None, [
                Notice(
                    "dmarc-invalid",
                    Grade.FAIL,
                    about,
                    f"{len(records)} DMARC records, so none holds",
                    f"TXT _dmarc.{where}",
                    "Leave one (RFC 7489 section 6.6.3).",
                )
            ]
        if records:
            tags = tags_of(records[0])
            policy = tags.get("sp", tags.get("p", "")) if where != domain else tags.get("p", "")
            if policy.lower() in ("none", "quarantine", "reject"):
                return Dmarc(where, {**tags, "p": policy.lower()}, records[0]), []
            watched = bool(tags.get("rua"))  # then it counts as p=none (section 6.6.3)
            problem = Notice(
                "dmarc-invalid",
                Grade.WARN if watched else Grade.FAIL,
                about,
                f"the DMARC record names no policy{', so it counts as p=none' if watched else ', so it is ignored'}",
                records[0][:300],
                "Write p=none, p=quarantine or p=reject.",
            )
            return Dmarc(where, {**tags, "p": "none"}, records[0]) if watched else None, [problem]
    return None, [Notice("dmarc-missing", Grade.FAIL, about, "no DMARC record", f"TXT _dmarc.{domain}: none",
                         "Publish v=DMARC1; p=none; rua=mailto:… at least: Apple asks bulk senders for a "
                         "published policy.")]  # fmt: skip


def dmarc_notices(
    dmarc: Dmarc, from_domain: str, mail_from: str, signing: Sequence[str], suffixes: Suffixes
) -> list[Notice]:
    """Say what the policy comes to, and whether SPF's and DKIM's domains are aligned with From's."""
    about = f"From {from_domain}"
    out = []
    if dmarc.policy == "none":
        out.append(
            Notice(
                "dmarc-none",
                Grade.NOTE,
                about,
                "DMARC only watches (p=none)",
                dmarc.record,
                "Go to p=quarantine once reports are clean.",
            )
        )
    if not dmarc.tags.get("rua"):
        out.append(
            Notice("dmarc-reports", Grade.NOTE, about, "nobody gets DMARC reports", dmarc.record, "Add rua=mailto:…")
        )
    spf = _aligned(from_domain, mail_from, dmarc.tags.get("aspf", "r"), suffixes)
    dkim = [d for d in signing if _aligned(from_domain, d, dmarc.tags.get("adkim", "r"), suffixes)]
    modes = f"aspf={dmarc.tags.get('aspf', 'r')} adkim={dmarc.tags.get('adkim', 'r')}"
    evidence = f"From {from_domain}, MAIL FROM {mail_from}, d= {', '.join(signing) or 'not known'}; {modes}"
    if spf or dkim:
        by = " and ".join(word for word, yes in (("SPF", spf), ("DKIM", bool(dkim))) if yes)
        out.append(Notice("dmarc", Grade.OK, about, f"DMARC p={dmarc.policy}, aligned by {by}", evidence))
        if not dkim and signing:
            out.append(
                Notice(
                    "dmarc-dkim",
                    Grade.WARN,
                    about,
                    "DKIM signs for another domain than From's",
                    evidence,
                    "Sign with From's domain: SPF alone is lost when mail is forwarded (private relay).",
                )
            )
    elif signing:
        out.append(
            Notice(
                "dmarc-alignment",
                Grade.FAIL,
                about,
                "neither MAIL FROM nor DKIM is aligned with From",
                evidence,
                "Sign with d= of From's domain, or use a MAIL FROM under it.",
            )
        )
    else:
        out.append(
            Notice(
                "dmarc-alignment",
                Grade.UNKNOWN,
                about,
                "MAIL FROM is not aligned with From, and the signing domain is not known",
                evidence,
                "Name the selector in check.yaml (dkim), or read a delivered copy.",
            )
        )
    return out


def _aligned(author: str, other: str, mode: str, suffixes: Suffixes) -> bool:
    if mode.lower() == "s":
        return author == other
    return suffixes.registrable(author) == suffixes.registrable(other)
