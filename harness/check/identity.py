"""Identity: the DMARC policy, and whether what is aligned with From passes: SPF, or a signature."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.check.lookup import Resolver, Suffixes, could_not
from harness.check.notice import Grade, Notice
from harness.check.signing import Key, tags_of
from harness.check.spf import Spf

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


def dmarc_notices(dmarc: Dmarc, author: str, spf: Spf, keys: Sequence[Key], suffixes: Suffixes) -> list[Notice]:
    """Say what the policy comes to: something that is aligned with From has to pass (RFC 7489 section 4.2)."""
    about = f"From {author}"
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
    by_spf = spf.passes if _aligned(author, spf.domain, dmarc.tags.get("aspf", "r"), suffixes) else False
    aligned = [key for key in keys if _aligned(author, key.signer.domain, dmarc.tags.get("adkim", "r"), suffixes)]
    by_dkim = _either([key.usable for key in aligned]) if keys else None  # who signs is not known: it may be aligned
    modes = f"aspf={dmarc.tags.get('aspf', 'r')} adkim={dmarc.tags.get('adkim', 'r')}"
    signers = ", ".join(dict.fromkeys(f"d={key.signer.domain} ({_WORDS[key.usable]})" for key in keys))
    evidence = f"MAIL FROM {spf.domain} (SPF: {_WORDS[spf.passes]}), {signers or 'd= not known'}; {modes}"
    passes = _either([by_spf, by_dkim])
    if passes:
        by = " and ".join(word for word, yes in (("SPF", by_spf), ("DKIM", by_dkim)) if yes)
        out.append(Notice("dmarc", Grade.OK, about, f"DMARC p={dmarc.policy}, aligned by {by}, which passes", evidence))
        if by_dkim is False:
            out.append(
                Notice(
                    "dmarc-dkim",
                    Grade.WARN,
                    about,
                    "no signature that passes is of From's domain",
                    evidence,
                    "Sign with From's domain: SPF alone is lost when mail is forwarded (private relay).",
                )
            )
        return out
    some = bool(aligned) or _aligned(author, spf.domain, dmarc.tags.get("aspf", "r"), suffixes)
    if passes is None:
        finding = "whether anything passes that is aligned with From could not be checked"
        do = "Name the selector that the relay signs with (check.yaml: dkim), give sending_ips, or read a copy back."
        out.append(Notice("dmarc-alignment", Grade.UNKNOWN, about, finding, evidence, do))
    elif some:
        finding = f"what is aligned with From does not pass, so DMARC fails (p={dmarc.policy})"
        do = "Put SPF right for every sending IP, or sign with a key of From's domain that is published."
        out.append(Notice("dmarc-fail", _weight(dmarc), about, finding, evidence, do))
    else:
        finding = f"neither MAIL FROM nor DKIM is aligned with From, so DMARC fails (p={dmarc.policy})"
        do = "Sign with d= of From's domain, or use a MAIL FROM under it."
        out.append(Notice("dmarc-alignment", _weight(dmarc), about, finding, evidence, do))
    return out


_WORDS = {True: "passes", False: "does not pass", None: "not known"}


def _either(ways: Sequence[bool | None]) -> bool | None:
    """One that passes is enough; None where that is not known."""
    return True if True in ways else None if None in ways else False


def _weight(dmarc: Dmarc) -> Grade:
    return Grade.WARN if dmarc.policy == "none" else Grade.FAIL


def _aligned(author: str, other: str, mode: str, suffixes: Suffixes) -> bool:
    if mode.lower() == "s":
        return author == other
    return suffixes.registrable(author) == suffixes.registrable(other)
