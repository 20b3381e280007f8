"""Chains: where a link's redirects lead, and whether a reader who opens it gets anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from harness.check.link import Link
from harness.check.notice import Grade, Notice
from harness.model.hop import Fault, Hop

# What sites answer to programs: a login, a bot check, too many requests; a person's browser may well get the page.
ASKS_FOR_A_PERSON = (401, 403, 405, 406, 407, 429, 451, 503, 999)
MOST_REDIRECTS = 2
SHORTEN = "Shorten the chain: every host of it counts."


def chain_notices(url: str, hops: Sequence[Hop]) -> list[Notice]:
    """Say what is wrong with one link's chain."""
    about = f"link {url[:120]}"
    path = " -> ".join(f"{hop.url[:100]} ({hop.status or hop.error})" for hop in hops)[:600]
    last = hops[-1]

    def said(name: str, grade: Grade, finding: str, do: str = "") -> list[Notice]:
        return [Notice(name, grade, about, finding, path, do)]

    if last.fault is Fault.CERTIFICATE:
        return said(
            "link-tls",
            Grade.FAIL,
            f"browsers warn of {_host(last)}: {last.error}",
            "Have that host's certificate renewed, or link to the name that it has.",
        )
    if last.fault is Fault.WAY:
        return said(
            "link-chain",
            Grade.UNKNOWN,
            f"the link could not be followed to its end: {last.error}",
            "Open it by hand, or ask again later.",
        )
    if last.fault is Fault.APP:
        return said(
            "link-chain", Grade.NOTE, last.error, "Open it on a device that has the app, and on one that has not."
        )
    if last.fault is Fault.LINK:
        return said(
            "link-chain",
            Grade.WARN,
            f"the link does not lead to a page: {last.error}",
            "Open it by hand and correct it: who clicks gets no further either.",
        )
    if last.fault is Fault.LENGTH:
        return said("link-chain", Grade.WARN, last.error, SHORTEN)
    if last.status in ASKS_FOR_A_PERSON:
        return said(
            "link-chain",
            Grade.UNKNOWN,
            f"{_host(last)} answers {last.status}, which it may do to programs only",
            "Open it by hand.",
        )
    if last.status >= 500:
        do = "Have that server mended, or check again later: a dead link in a mail is a mark against it."
        return said("link-dead", Grade.WARN, f"the link ends with {last.status}: its server fails", do)
    if last.status >= 400:
        do = "Correct it: a dead link in a mail is a mark against it."
        return said("link-dead", Grade.FAIL, f"the link ends with {last.status}", do)
    redirects = len(hops) - 1
    if redirects > MOST_REDIRECTS:
        return said("link-chain", Grade.WARN, f"{redirects} redirects", SHORTEN)
    if redirects:
        return said(
            "link-chain", Grade.NOTE, f"leads to {_host(last)} over {redirects} redirect{'s' * (redirects > 1)}"
        )
    return []


def redirected(hops: Sequence[Hop]) -> list[Link]:
    """Return the places that a chain's redirects name, as links of the message."""
    return [Link(hop.url, "redirect") for hop in hops[1:]]


def _host(hop: Hop) -> str:
    return Link(hop.url, "redirect").host or hop.url[:100]
