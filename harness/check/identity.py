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

POLICIES = ("none", "quarantine", "reject")
MOST_REPORTED = 5  # addresses that get reports
_KNOWN = {  # the tags whose values are checked; an empty one is not there
    "sp": re.compile(rf"(?:{'|'.join(POLICIES)})?"),
    "adkim": re.compile("[rs]?"),
    "aspf": re.compile("[rs]?"),
    "pct": re.compile(r"(?:100|[0-9]{1,2})?"),
}


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
    about, others = f"From {domain}", []
    for where in dict.fromkeys((domain, suffixes.registrable(domain))):
        found = resolver.ask(f"_dmarc.{where}", "TXT")
        if found.failed:
            do = "Ask again later."
            return None, [Notice("dmarc", Grade.UNKNOWN, about, "DMARC could not be checked", could_not(found), do)]
        records = [r for r in found.records if _DMARC1.match(r)]
        if len(records) > 1:
            finding, do = f"{len(records)} DMARC records, so none holds", "Leave one (RFC 7489 section 6.6.3)."
            return None, [Notice("dmarc-invalid", Grade.FAIL, about, finding, f"TXT _dmarc.{where}", do)]
        if records:
            return _policy(where, records[0], about, tag="p" if where == domain else "sp")
        others += [f"TXT _dmarc.{where}: {record}" for record in found.records]
    meant = next((record for record in others if re.search(r"\bDMARC1\b", record, re.IGNORECASE)), "")
    if meant:
        finding, do = "the DMARC record is none", "Begin it with v=DMARC1; without quotation marks of its own."
        return None, [Notice("dmarc-invalid", Grade.FAIL, about, finding, meant[:300], do)]
    evidence = f"{'; '.join(others)[:200]}, which is none" if others else f"TXT _dmarc.{domain}: none"
    do = "Publish v=DMARC1; p=none; rua=mailto:… at least: Apple asks bulk senders for a published policy."
    return None, [Notice("dmarc-missing", Grade.FAIL, about, "no DMARC record", evidence, do)]


def _policy(where: str, record: str, about: str, tag: str) -> tuple[Dmarc | None, list[Notice]]:
    """Read a record; a subdomain has the policy of `sp` where that is given."""
    tags, shown = tags_of(record), record[:300]
    tag = tag if tag in tags else "p"
    policy = tags.get(tag, "").lower()
    if policy in POLICIES:
        return Dmarc(where, {**tags, "p": policy}, shown), _spelled(tags, about, shown)
    watched = bool(tags.get("rua"))  # then it counts as p=none (section 6.6.3)
    finding = f"the DMARC record names no policy{', so it counts as p=none' if watched else ', so it is ignored'}"
    do = f"Write {tag}=none, {tag}=quarantine or {tag}=reject."
    problem = Notice("dmarc-invalid", Grade.WARN if watched else Grade.FAIL, about, finding, shown, do)
    return Dmarc(where, {**tags, "p": "none"}, shown) if watched else None, [problem]


def _spelled(tags: Mapping[str, str], about: str, shown: str) -> list[Notice]:
    """Name tags whose values are none: receivers take the default instead (section 6.3)."""
    wrong = [
        f"{name}={tags[name][:20]}" for name, known in _KNOWN.items() if not known.fullmatch(tags.get(name, "").lower())
    ]
    if not wrong:
        return []
    finding = f"the DMARC record says what nobody knows: {', '.join(wrong)}"
    return [Notice("dmarc-tags", Grade.NOTE, about, finding, shown, "Correct it: receivers take the default instead.")]


def report_notices(dmarc: Dmarc, author: str, resolver: Resolver, suffixes: Suffixes) -> list[Notice]:
    """Say whether anybody gets reports: a host of another domain must have agreed to take them (section 7.1)."""
    about = f"From {author}"
    if not dmarc.tags.get("rua"):
        return [
            Notice("dmarc-reports", Grade.NOTE, about, "nobody gets DMARC reports", dmarc.record, "Add rua=mailto:…")
        ]
    out = []
    for address in dmarc.tags["rua"].split(",")[:MOST_REPORTED]:
        host = address.partition("!")[0].rpartition("@")[2].lower()
        if not address.lower().startswith("mailto:") or not host:
            finding, do = f"DMARC reports go to {address[:80]}, which is no mailto: address", "Write rua=mailto:…"
            out.append(Notice("dmarc-reports", Grade.NOTE, about, finding, dmarc.record, do))
        elif not _aligned(dmarc.domain, host, "r", suffixes):
            out += _authorised(dmarc, host, about, resolver)
    return out


def _authorised(dmarc: Dmarc, host: str, about: str, resolver: Resolver) -> list[Notice]:
    found = resolver.ask(f"{dmarc.domain}._report._dmarc.{host}", "TXT")
    if found.failed:
        finding = f"whether {host} takes DMARC reports could not be checked"
        return [Notice("dmarc-reports", Grade.UNKNOWN, about, finding, could_not(found), "Ask again later.")]
    if any(_DMARC1.match(record) for record in found.records):
        return []
    finding = f"{host} has not agreed to take DMARC reports of {dmarc.domain}, so none are sent there"
    do = f"Have v=DMARC1 published at {found.name} (RFC 7489 section 7.1)."
    return [Notice("dmarc-reports", Grade.NOTE, about, finding, f"TXT {found.name}: none", do)]


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
    by_spf = spf.passes if _aligned(author, spf.domain, dmarc.tags.get("aspf", "r"), suffixes) else False
    aligned = [key for key in keys if _aligned(author, key.signer.domain, dmarc.tags.get("adkim", "r"), suffixes)]
    by_dkim = _either([key.usable for key in aligned]) if keys else None  # who signs is not known: it may be aligned
    modes = f"aspf={dmarc.tags.get('aspf', 'r')[:9]} adkim={dmarc.tags.get('adkim', 'r')[:9]}"
    signers = ", ".join(dict.fromkeys(f"d={key.signer.domain} ({_WORDS[key.usable]})" for key in keys))
    evidence = f"MAIL FROM {spf.domain} (SPF: {_WORDS[spf.passes]}), {signers or 'd= not known'}; {modes}"
    passes = _either([by_spf, by_dkim])
    if passes:
        by = " and ".join(word for word, yes in (("SPF", by_spf), ("DKIM", by_dkim)) if yes)
        out.append(Notice("dmarc", Grade.OK, about, f"DMARC p={dmarc.policy} passes, aligned by {by}", evidence))
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
