"""The survey: everything that is checked before a retest, in one list.

Takes the campaign's final bytes and facts as values, and whoever asks outside (a resolver, a link follower, a spam
scorer) as arguments; None means: not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from harness.check.anatomy import Anatomy, dissect
from harness.check.blocklist import Blocklist, listing_notices, trust_notices
from harness.check.chain import chain_notices, redirected
from harness.check.display import display_notices
from harness.check.form import form_notices
from harness.check.hosts import literal, site_notices, sites_of
from harness.check.identity import dkim_notices, dmarc_notices, find_dmarc, tags_of
from harness.check.link import host_name
from harness.check.linktext import link_notices
from harness.check.lookup import NOT_ASKED, OFFLINE, Resolver, Suffixes
from harness.check.notice import Grade, Notice, worst_first
from harness.check.route import Greeting, route_notices
from harness.check.seedling import SeedPast, arrival_notices, seed_notices
from harness.check.sendinghost import courtesy_notices, greeting_notices, ip_notices, mail_from_notices
from harness.check.spamscore import Score, spam_notices
from harness.check.spf import evaluate, spf_notices
from harness.check.walk import plan_walk
from harness.model.hop import Hop
from harness.model.relay import Relay
from harness.model.seed import Segment

MOST_CHAINS = 40  # redirect chains that are followed
MOST_LISTED = 200  # names that one list is asked for, registered domains first
AT_ONCE = 8
T = TypeVar("T")
R = TypeVar("R")
Follow = Callable[[str], Sequence[Hop]]  # a URL to the stops of its chain


@dataclass(frozen=True)
class Subject:
    """What is checked: production as each seed gets it, and the ladder for the first seed (change, message)."""

    sender: str  # From's address
    envelope_sender: str
    relay: Relay
    segment: Segment
    messages: Mapping[str, bytes]
    rungs: Sequence[tuple[str, Callable[[], bytes]]] = ()  # made when they are scored: there may be thousands
    signing: Sequence[tuple[str, str]] = ()  # (domain, selector)
    received: Sequence[tuple[str, str]] = ()  # (about, Authentication-Results) of controls read back
    past: Mapping[str, SeedPast] = field(default_factory=dict)
    transactional: bool = False
    target: Callable[[str], str] = lambda url: ""  # where a tracked URL leads, as far as the campaign says so
    original: bytes = b""  # the message that was imported; trials have a To, Date and Message-ID of their own
    direct: bytes = b""  # production to the first seed with links that are not tracked; empty where none is

    @property
    def from_domain(self) -> str:
        """From's domain."""
        return self.sender.rpartition("@")[2].rstrip("> ").lower()

    @property
    def mail_from(self) -> str:
        """The envelope sender's domain."""
        return self.envelope_sender.rpartition("@")[2].lower()


@dataclass(frozen=True)
class Tools:
    """Who is asked."""

    resolver: Resolver
    suffixes: Suffixes
    now: datetime
    blocklists: Sequence[Blocklist] = ()
    follow: Follow | None = None
    score: Callable[[bytes], Score] | None = None
    greeting: Greeting | None = None
    bimi_selector: str = "default"


def survey(subject: Subject, tools: Tools) -> list[Notice]:
    """Check everything, worst first."""
    notices = [*_authentication(subject, tools), *_messages(subject, tools)]
    notices += seed_notices(
        subject.segment, subject.relay, subject.past, subject.from_domain, subject.mail_from, tools.resolver
    )
    size = max((len(raw) for raw in subject.messages.values()), default=0)
    notices += route_notices(subject.relay, tools.greeting, size)
    notices += arrival_notices(subject.received)
    notices = _not_asked(notices)
    if subject.relay.loopback and not subject.relay.sending_ips:
        notices = [_rehearsed(notice) for notice in notices]
    return worst_first(_once(notices))


def _authentication(subject: Subject, tools: Tools) -> list[Notice]:
    resolver, out = tools.resolver, []
    out += mail_from_notices(subject.mail_from, resolver)
    out += spf_notices(evaluate(subject.mail_from, subject.relay.sending_ips, resolver))
    for domain, selector in subject.signing:
        out += dkim_notices(domain, selector, resolver)
    if not subject.signing:
        out.append(Notice("dkim", Grade.UNKNOWN, f"From {subject.from_domain}", "DKIM could not be checked: no "
            "selector is known", "",
                          "Name it in check.yaml (dkim: [{domain, selector}]), or read a delivered copy "
                          "back."))  # fmt: skip
    dmarc, problems = find_dmarc(subject.from_domain, resolver, tools.suffixes)
    out += problems
    if dmarc:
        signing = [domain for domain, _ in subject.signing]
        out += dmarc_notices(dmarc, subject.from_domain, subject.mail_from, signing, tools.suffixes)
    for ip in subject.relay.sending_ips:
        out += ip_notices(ip, resolver)
    for listing in tools.blocklists:
        if listing.of == "ip" and not subject.relay.sending_ips and subject.relay.kind != "sandbox":
            do = "Name in relay.yaml the addresses that mail leaves from (sending_ips)."
            said = "the list could not be asked: no sending IP is known"
            out.append(Notice("blocklist", Grade.UNKNOWN, f"sending IPs on {listing.zone}", said, "", do))
        elif listing.of == "ip":
            out += _listed(listing, subject.relay.sending_ips, resolver)
    out += greeting_notices(subject.relay, resolver)
    out += courtesy_notices(subject.mail_from, subject.from_domain, tools.bimi_selector, resolver)
    return out


def _messages(subject: Subject, tools: Tools) -> list[Notice]:
    """Check production as every seed gets it; what all have in common is said once."""
    out: list[Notice] = []
    parts = {seed: dissect(raw) for seed, raw in subject.messages.items()}
    for seed, anatomy in parts.items():
        about = f"production to {seed}"
        out += form_notices(anatomy, about, now=tools.now, transactional=subject.transactional)
        out += display_notices(anatomy, about)
    out = _merged(out, len(parts))
    out += _original(subject, tools, out)
    out += _links(subject, tools, parts)
    if tools.score:
        out += spam_notices(subject.rungs, tools.score)
    return out


def _original(subject: Subject, tools: Tools, said: Sequence[Notice]) -> list[Notice]:
    """Say what is wrong with the header of an imported message and is replaced in trials: they can't show it."""
    if not subject.original:
        return []
    known = {(notice.id, notice.finding) for notice in said}
    found = form_notices(
        dissect(subject.original), "the imported original", now=tools.now, transactional=subject.transactional
    )
    do = "Put it right where production is sent: trials carry their own, so a retest can't show what it does."
    return [
        replace(notice, grade=Grade.WARN, do=do)
        for notice in found
        if notice.id != "form-date-off"  # what was refused is seldom of today
        and notice.grade in (Grade.FAIL, Grade.WARN)
        and (notice.id, notice.finding) not in known
    ]


def _links(subject: Subject, tools: Tools, parts: Mapping[str, Anatomy]) -> list[Notice]:
    everywhere = [*parts.values(), *([dissect(subject.direct)] if subject.direct else [])]
    links = list(dict.fromkeys(link for anatomy in everywhere for link in anatomy.links))
    out: list[Notice] = []
    chains: Mapping[str, Sequence[Hop]] = {}
    if tools.follow:
        first = next(iter(parts.values()), None)  # the others' personal links lead the same way
        found, chains = _chains(first, tools.follow) if first else ([], {})
        out += found
        links += [link for hops in chains.values() for link in redirected(hops)]
    own = [tools.suffixes.registrable(host_name(d)) for d in (subject.from_domain, subject.mail_from)]

    def leads(url: str) -> list[str]:
        return [*filter(None, [subject.target(url)]), *(hop.url for hop in chains.get(url, ()))]

    out += _merged(link_notices(links, tools.suffixes, own, leads))
    sites = sites_of(links, [("from", subject.from_domain), ("mail_from", subject.mail_from)])
    out += _all(lambda site: site_notices(site, own, tools.resolver, tools.suffixes), sites)
    named = [site.host for site in sites if not literal(site.host)]
    domains = dict.fromkeys(map(tools.suffixes.registrable, named))
    for listing in tools.blocklists:
        if listing.of == "domain":
            out += _listed(listing, dict.fromkeys((*domains, *named)), tools.resolver)
    if sites:
        out.append(
            Notice(
                "hosts",
                Grade.OK,
                "domains in the message",
                f"{len(sites)} hosts of {len(domains)} domains",
                ", ".join(list(domains)[:MOST_LISTED]),
            )
        )
    return out


def _chains(anatomy: Anatomy, follow: Follow) -> tuple[list[Notice], dict[str, Sequence[Hop]]]:
    """Follow the links that can be opened; returns what is wrong, and the chains."""
    urls, out = plan_walk(anatomy)
    chains: list[tuple[str, Sequence[Hop]]] = _all(lambda url: [(url, follow(url))], urls[:MOST_CHAINS])
    told = [notice for url, hops in chains for notice in chain_notices(url, hops)]
    out += [notice for notice in told if notice.grade is not Grade.UNKNOWN]
    out += _merged([notice for notice in told if notice.grade is Grade.UNKNOWN])
    if len(urls) > MOST_CHAINS:
        left = len(urls) - MOST_CHAINS
        out.append(
            Notice(
                "link-chain",
                Grade.UNKNOWN,
                "links of the message",
                f"{left} of {len(urls)} links were not followed",
                f"{MOST_CHAINS} are followed at most; the first that was not: {urls[MOST_CHAINS][:200]}",
                "Open them by hand.",
            )
        )
    return out, dict(chains)


def _all(ask: Callable[[T], Sequence[R]], about: Iterable[T]) -> list[R]:
    """Ask about many things at once, for each answer may take its whole time limit; returns all, in order."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        return [one for some in pool.map(ask, about) for one in some]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who interrupts does not wait for what was never asked


def _listed(listing: Blocklist, subjects: Iterable[str], resolver: Resolver) -> list[Notice]:
    """Ask a list, having seen that its answers mean something; a silent one can still say that something is listed."""
    asked = list(dict.fromkeys(subjects))
    tested = trust_notices(listing, asked, resolver)
    if any(notice.id == "blocklist-everything" for notice in tested):
        return tested
    told = _all(partial(listing_notices, listing=listing, resolver=resolver), asked[:MOST_LISTED])
    if len(asked) > MOST_LISTED:
        left = len(asked) - MOST_LISTED
        what = f"{left} of {len(asked)} names were not looked up"
        first = f"the first of them: {asked[MOST_LISTED][:200]}"
        told.append(Notice("blocklist", Grade.UNKNOWN, listing.zone, what, first, "Ask for them by hand."))
    return tested + [notice for notice in told if not tested or notice.grade is not Grade.OK]


def _merged(notices: list[Notice], seeds: int | None = None) -> list[Notice]:
    """Say once what is found alike of several things, or of production to every seed."""
    whom: dict[tuple[str, str, str], list[Notice]] = {}
    for notice in notices:
        whom.setdefault((notice.id, notice.finding, notice.do), []).append(notice)
    out = []
    for first, *more in whom.values():
        also = f" and {len(more):,} more" if more else ""
        about = "production" if seeds and len(more) + 1 >= seeds else f"{first.about}{also}"
        out.append(replace(first, about=about))
    return out


def _rehearsed(notice: Notice) -> Notice:
    """A rehearsal needs no DNS: what would stop a real send is a warning there."""
    rehearsed = ("spf", "dkim", "dmarc", "mail-from", "ptr", "helo", "host-missing", "mta-sts", "tls-rpt", "bimi")
    if notice.grade is Grade.FAIL and notice.id.startswith(rehearsed):
        return replace(notice, grade=Grade.WARN, finding=f"{notice.finding} (a rehearsal on loopback needs none)")
    return notice


def _not_asked(notices: list[Notice]) -> list[Notice]:
    """Say once, for each reason, of all that no name server was asked for, that it could not be checked."""
    why: dict[str, list[Notice]] = {}
    for notice in notices:
        if notice.evidence.startswith(NOT_ASKED):
            why.setdefault(notice.evidence, []).append(notice)
    out = [notice for notice in notices if notice.evidence not in why]
    for evidence, same in why.items():
        abouts = list(dict.fromkeys(notice.about for notice in same))
        more = f" and {len(abouts) - 6} more" if len(abouts) > 6 else ""
        out.append(
            Notice(
                "dns",
                Grade.UNKNOWN,
                f"{'; '.join(abouts[:6])}{more}",
                f"{len(same)} check{'s' * (len(same) > 1)} for which no name server was asked",
                evidence,
                "Leave --offline (check.yaml: offline) out."
                if evidence.endswith(OFFLINE)
                else "Give name servers that answer for these names (resolver.nameservers in check.yaml).",
            )
        )
    return out


def _once(notices: Sequence[Notice]) -> list[Notice]:
    return list(dict.fromkeys(notices))


def signatures(raw: bytes) -> list[tuple[str, str]]:
    """Return (domain, selector) of a received copy's DKIM signatures."""
    out = []
    for value in dissect(raw).all("DKIM-Signature"):
        tags = tags_of(value)
        if tags.get("d") and tags.get("s"):
            out.append((tags["d"].lower(), tags["s"]))
    return out
