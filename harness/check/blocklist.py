"""Blocklists: what an answer of a DNS list means (RFC 5782), and what only looks like a listing.

An answer in 127.255.255.0/24 says that the list refused to answer this resolver (a public one, too many queries),
not that the name is listed. Anything outside 127.0.0.0/8 is a parked or hijacked list.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.check.lookup import Lookup, Resolver, could_not
from harness.check.notice import Grade, Notice


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One list of the workspace.

    `codes` says what its answers mean ({"127.0.1.2": "spam domain"}), `bits` what those of an answer's last octet do.
    """

    zone: str  # as it is shown
    of: str = "domain"  # domain | ip
    codes: Mapping[str, str] = field(default_factory=dict)
    bits: Mapping[int, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)  # the zone as it is asked, where a key is part of it

    def ask(self, subject: str, kind: str, resolver: Resolver) -> Lookup:
        """Look a domain or an IP up; nothing of the answer holds the key."""
        name, asked = _question(subject, self.zone, self.of), _question(subject, self.secret or self.zone, self.of)
        found = resolver.ask(asked, kind)
        records = tuple(map(self._struck, found.records))
        return replace(found, name=name, records=records, why=self._struck(found.why))

    def _struck(self, text: str) -> str:
        """Strike the key out of what is told."""
        for label in set(self.secret.split(".")) - set(self.zone.split(".")) - {""}:
            text = re.sub(re.escape(label), "***", text, flags=re.IGNORECASE)
        return text

    def meaning(self, answer: str) -> str:
        """Say what an answer means."""
        last = int(answer.rpartition(".")[2])
        said = [self.codes[answer]] if answer in self.codes else [text for bit, text in self.bits.items() if last & bit]
        return " and ".join(said) or answer


# What each list must hold, and must not, for tests (RFC 5782 section 5).
_TESTS = {"domain": ("test", "invalid"), "ip4": ("127.0.0.2", "127.0.0.1"), "ip6": ("::ffff:7f00:2", "::ffff:7f00:1")}


def trust_notices(listing: Blocklist, subjects: Sequence[str], resolver: Resolver) -> list[Notice]:
    """Ask a list for the test entries of what it is to be asked about; UNKNOWN where its answers mean nothing."""
    if listing.of == "ip":
        kinds = sorted({f"ip{ipaddress.ip_address(subject).version}" for subject in subjects})
    else:
        kinds = ["domain"] if subjects else []
    return [notice for kind in kinds for notice in [_tested(listing, kind, resolver)] if notice]


def listing_notices(subject: str, listing: Blocklist, resolver: Resolver) -> list[Notice]:
    """Ask one list about one domain or IP."""
    about = f"{subject} on {listing.zone}"
    found = listing.ask(subject, "A", resolver)
    name = found.name
    if found.failed:
        return [
            Notice(
                "blocklist", Grade.UNKNOWN, about, "the list could not be asked", could_not(found), "Ask again later."
            )
        ]
    if not found.records:
        return [Notice("blocklist", Grade.OK, about, "not listed", f"A {name}: none")]
    refused = [r for r in found.records if _is_refusal(r)]
    if refused:
        return [
            Notice(
                "blocklist",
                Grade.UNKNOWN,
                about,
                f"the list refused to answer this resolver ({_refusal(refused[0])})",
                f"A {name}: {refused[0]}",
                "Ask through a resolver of your own, or with the list's key; this is no listing.",
            )
        ]
    listed = [r for r in found.records if ipaddress.ip_address(r) in ipaddress.ip_network("127.0.0.0/8")]
    if not listed:
        return [
            Notice(
                "blocklist",
                Grade.UNKNOWN,
                about,
                "the list answers what no list answers",
                f"A {name}: {', '.join(found.records)}",
                "The list may have closed down; take it out of check.yaml.",
            )
        ]
    meaning = ", ".join(map(listing.meaning, listed))
    text = listing.ask(subject, "TXT", resolver)
    why = text.records[0][:160] if text.records else ""
    return [
        Notice(
            "blocklist-listed",
            Grade.FAIL,
            about,
            f"listed: {meaning}",
            f"A {name}: {', '.join(listed)}. {why}".strip(),
            "Have it taken off the list before the retest; a refusal would say nothing else.",
        )
    ]


def _is_refusal(answer: str) -> bool:
    """127.0.0.1 is what the URI lists answer to those whom they do not serve; 127.0.1.255: a question that is none."""
    return answer.startswith("127.255.255.") or answer in ("127.0.0.1", "127.0.1.255")


def _refusal(answer: str) -> str:
    return {"127.255.255.252": "the list's name is mistyped", "127.255.255.254": "public resolvers are not served",
            "127.255.255.255": "too many queries", "127.0.1.255": "it lists no IP addresses",
            "127.0.0.1": "this resolver is not served"}.get(answer, answer)  # fmt: skip


def _question(subject: str, zone: str, of: str) -> str:
    """Return the name to ask for; an IP is written backwards (RFC 5782 sections 2.1 and 2.4)."""
    if of == "domain":
        return f"{subject}.{zone}"
    pointer = ipaddress.ip_address(subject).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def _tested(listing: Blocklist, kind: str, resolver: Resolver) -> Notice | None:
    """Ask a list for its test entries; None where they are as they must be, or could not be asked."""
    wanted, unwanted = [listing.ask(subject, "A", resolver) for subject in _TESTS[kind]]
    if any(not _is_refusal(record) for record in unwanted.records):
        return Notice(
            "blocklist-everything",
            Grade.UNKNOWN,
            listing.zone,
            "the list lists what no list may hold, so what it says means nothing",
            f"A {unwanted.name}: {', '.join(unwanted.records)}",
            "The list may have closed down, or a resolver on the way answers for it; take it out of check.yaml.",
        )
    if wanted.failed or any(not _is_refusal(record) for record in wanted.records):
        return None  # of one that could not be asked, each question says so
    return Notice(
        "blocklist-silent",
        Grade.UNKNOWN,
        listing.zone,
        "the list does not answer for its test entry, so that it lists nothing means nothing",
        f"A {wanted.name}: {', '.join(wanted.records) or wanted.none}",
        "See whether the zone is spelled as its owner says, and whether this resolver is served.",
    )
