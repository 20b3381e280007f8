"""Copies that were read back from seeds' mailboxes: what a receiver saw of the relay, which no setting can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.check.lookup import Suffixes
from harness.check.notice import Grade, Notice
from harness.check.seedling import RELAY_DOMAIN
from harness.check.signing import Signer, head_of, signers_of
from harness.model.record import Arrival, RunFacts, TrialRecord
from harness.model.relay import Relay
from harness.model.variant import CONTROL

MOST_SHOWN = 3
_COMMENT = re.compile(r"\((?:[^()]|\([^()]*\))*\)")
_RESULT = re.compile(r"(?:\A|;)\s*(spf|dkim|dmarc|bimi|arc)(?:\s*/\s*\d+)?\s*=\s*([a-z]+)")
_RETURN_PATH = re.compile(r"<[^<>@]*@([a-z0-9.-]+)>")
_WHO = re.compile(
    r"\b(dkim|spf)(?:\s*/\s*\d+)?\s*=\s*([a-z]+)\b[^;]*?\b(header\.d|smtp\.mailfrom)\s*=\s*(?:[^\s;@]*@)?([a-z0-9.-]+)"
)
_MAIL_FROM = re.compile(r"\bsmtp\.mailfrom\s*=\s*(?:[^\s;@]*@)?([a-z0-9.-]+)")


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that arrived. `mail_from` is the MAIL FROM domain that the receiver saw, where it is not what we gave."""

    about: str
    authentication: str = ""  # Authentication-Results
    mail_from: str = ""
    content: bytes = field(default=b"", repr=False)


def copies_of(campaign: str, relay: Relay, runs: Sequence[RunFacts]) -> list[Copy]:
    """Return what arrived of a campaign through this relay: controls first, and the newest of each."""
    found = [
        (trial.variant == CONTROL, _copy(facts.run.id, trial, arrival))
        for facts in reversed(runs)
        if facts.run.campaign == campaign and facts.run.went_through(relay)
        for trial in reversed(facts.trials)
        for arrival in trial.arrivals
    ]
    return [copy for _, copy in sorted(found, key=lambda one: not one[0])]


def _copy(run: str, trial: TrialRecord, arrival: Arrival) -> Copy:
    content, authentication = arrival.content or b"", arrival.authentication or ""
    seen = "" if trial.domain == RELAY_DOMAIN else _mail_from(content, authentication)  # it forwards in its own name
    given = trial.envelope_sender.rpartition("@")[2].lower()
    about = f"{trial.variant} to {trial.recipient}, run {run}"
    return Copy(about, authentication, "" if seen == given else seen, content)


def _mail_from(content: bytes, authentication: str) -> str:
    """Return the MAIL FROM domain that the receiver wrote into a copy; its own header stands above all others."""
    path = next(iter(head_of(content).all("Return-Path")), "")
    found = _RETURN_PATH.search(path.lower()) or _MAIL_FROM.search(_plain(authentication))
    return found[1].strip(".") if found else ""


def signed_by(copies: Sequence[Copy]) -> list[Signer]:
    """Return who signed the first copy that is signed: an older one may show a selector that is used no more.

    A control may lack the headers of one-click unsubscribing: then the first that has them tells what is signed.
    """
    signed = [signers for copy in copies if (signers := signers_of(copy.content))]
    telling = [signers for signers in signed if signers[0].covers is not None]
    return list(dict.fromkeys(signer for signers in (*signed[:1], *telling[:1]) for signer in signers))


def arrival_notices(copies: Sequence[Copy], author: str, suffixes: Suffixes) -> list[Notice]:
    """Show what the receiver found in copies that were read back."""
    out = []
    for copy in [copy for copy in copies if copy.authentication][:MOST_SHOWN]:
        results = results_of(copy.authentication)
        bad = [f"{k}={v}" for k, v in results.items() if k in ("spf", "dkim", "dmarc") and v != "pass"]
        grade = Grade.WARN if bad else Grade.OK if results else Grade.NOTE
        said = ", ".join(f"{k}={v}" for k, v in results.items()) or "nothing that can be read"
        who, do = "", "Mend what does not pass." if bad else ""
        if results.get("dmarc", "pass") != "pass":
            who, do = _unaligned(copy.authentication, author, suffixes)
        evidence = f"{who}{' '.join(copy.authentication.split())}"[:300]
        out.append(Notice("received", grade, copy.about, f"the receiver found {said}", evidence, do))
    return out


def _unaligned(authentication: str, author: str, suffixes: Suffixes) -> tuple[str, str]:
    """Say who signed and who sent, by the receiver, whether that is From's domain, and what to do for DMARC."""
    said, passed = [], []
    for method, result, tag, domain in dict.fromkeys(_WHO.findall(_plain(authentication))):
        aligned = suffixes.registrable(domain) == suffixes.registrable(author)
        said.append(f"{method}={result} {tag}={domain} ({'aligned' if aligned else 'not aligned'})")
        passed += [aligned] if result == "pass" else []
    if any(passed):
        do = "What passes has From's organizational domain: look for adkim=s or aspf=s in its DMARC record."
    elif passed:
        do = f"Sign with d={author}, or use a MAIL FROM under it: what passes is of another domain."
    else:
        do = f"Have a signature of {author} pass, or SPF of a MAIL FROM under it."
    return f"From {author}: {', '.join(said[:4]) or 'nobody who signed is named'}; ", do


def results_of(header: str) -> dict[str, str]:
    """Return what Authentication-Results says of each method: pass where any result is one (RFC 8601 section 2.2).

    A message has several DKIM signatures, and one that is good is enough. Comments and quoted values say nothing.
    """
    results: dict[str, str] = {}
    for method, result in _RESULT.findall(_plain(header)):
        if results.get(method) != "pass":
            results[method] = result
    return results


def _plain(header: str) -> str:
    return _COMMENT.sub(" ", re.sub(r'"[^"]*"', " ", header.lower()))
