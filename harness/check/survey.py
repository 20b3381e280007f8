"""The survey: everything that is checked before a retest, in one list.

Takes the campaign's final bytes and facts as values, and whoever asks outside (a resolver, a link follower, a spam
scorer) as arguments; None means: not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from harness.check.anatomy import Anatomy, dissect
from harness.check.blocklist import Blocklist, list_notices
from harness.check.display import display_notices
from harness.check.form import form_notices
from harness.check.hosts import literal, site_notices, sites_of
from harness.check.identity import dkim_notices, dmarc_notices, find_dmarc, tags_of
from harness.check.link import Link, host_name
from harness.check.linktext import link_notices
from harness.check.lookup import Resolver, Suffixes
from harness.check.notice import Grade, Notice, worst_first
from harness.check.route import Greeting, route_notices
from harness.check.seedling import SeedPast, arrival_notices, seed_notices
from harness.check.sendinghost import courtesy_notices, helo_notices, ip_notices, mail_from_notices
from harness.check.spamscore import Score, score_notices
from harness.check.spf import evaluate, spf_notices
from harness.check.walk import plan_walk
from harness.model.relay import Relay
from harness.model.seed import Segment

MOST_CHAINS = 40  # redirect chains that are followed


@dataclass(frozen=True)
class Subject:
    """What is checked: production as each seed gets it, and the ladder for the first seed (change, bytes)."""

    sender: str  # From's address
    envelope_sender: str
    relay: Relay
    segment: Segment
    messages: Mapping[str, bytes]
    rungs: Iterable[tuple[str, bytes]] = ()  # read once, and only to be scored
    signing: Sequence[tuple[str, str]] = ()  # (domain, selector)
    received: Sequence[tuple[str, str]] = ()  # (about, Authentication-Results) of controls read back
    past: Mapping[str, SeedPast] = field(default_factory=dict)
    transactional: bool = False
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
    follow: Callable[[str], Sequence[tuple[str, int, str]]] | None = None  # URL -> (URL, status, error) of each stop
    score: Callable[[bytes], Score] | None = None
    greeting: Greeting | None = None
    bimi_selector: str = "default"


def survey(subject: Subject, tools: Tools) -> list[Notice]:
    """Check everything, worst first."""
    notices = [*_authentication(subject, tools), *_messages(subject, tools)]
    notices += seed_notices(subject.segment, subject.relay, subject.past, subject.from_domain, subject.mail_from)
    size = max((len(raw) for raw in subject.messages.values()), default=0)
    notices += route_notices(subject.relay, tools.greeting, size)
    notices += arrival_notices(subject.received)
    if subject.relay.loopback:
        notices = [_on_loopback(notice) for notice in notices]
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
        out += ip_notices(ip, None, resolver)
    for listing in tools.blocklists:
        if listing.of == "ip":
            out += list_notices(listing, subject.relay.sending_ips, resolver)
    if subject.relay.helo:
        out += helo_notices(subject.relay.helo, resolver)
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
    out = _merge_seeds(out, list(parts))
    out += _links(subject, tools, parts)
    if tools.score:
        out += score_notices([(rung, tools.score(raw)) for rung, raw in subject.rungs])
    return out


def _links(subject: Subject, tools: Tools, parts: Mapping[str, Anatomy]) -> list[Notice]:
    everywhere = [*parts.values(), *([dissect(subject.direct)] if subject.direct else [])]
    links = list(dict.fromkeys(link for anatomy in everywhere for link in anatomy.links))
    out = _together(link_notices(links, tools.suffixes))
    also = [("from", subject.from_domain), ("mail_from", subject.mail_from)]
    if tools.follow:
        walk = plan_walk(links, MOST_CHAINS)
        out += walk.notices
        for url in walk.urls:
            chain = tools.follow(url)
            out += _chain(url, chain)
            also += [("redirect", host) for host in (_host(stop) for stop, _, _ in chain[1:]) if host]
    own = [tools.suffixes.registrable(host_name(d)) for d in (subject.from_domain, subject.mail_from)]
    sites = sites_of(links, also)
    for site in sites:
        out += site_notices(site, own, tools.resolver, tools.suffixes)
    domains = dict.fromkeys(tools.suffixes.registrable(site.host) for site in sites if not literal(site.host))
    for listing in tools.blocklists:
        if listing.of == "domain":
            out += list_notices(listing, domains, tools.resolver)
    if not [n for n in out if n.grade in (Grade.FAIL, Grade.WARN, Grade.UNKNOWN)] and sites:
        out.append(
            Notice(
                "hosts",
                Grade.OK,
                "domains in the message",
                f"{len(sites)} hosts of {len(domains)} domains",
                ", ".join(list(domains)[:8]),
            )
        )
    return out


def _host(url: str) -> str:
    return Link(url, "redirect").host


def _chain(url: str, chain: Sequence[tuple[str, int, str]]) -> list[Notice]:
    about = f"link {url[:120]}"
    path = " -> ".join(f"{stop[:100]} ({status or error})" for stop, status, error in chain)
    last, status, error = chain[-1]
    if error:
        grade = Grade.UNKNOWN if "can't be looked up" in error or "time limit" in error else Grade.WARN
        return [
            Notice(
                "link-chain",
                grade,
                about,
                f"the link could not be followed to its end: {error}",
                path[:600],
                "Open it by hand.",
            )
        ]
    if status >= 400:
        return [
            Notice(
                "link-dead",
                Grade.FAIL,
                about,
                f"the link ends with {status}",
                path[:600],
                "Correct it; a dead link in a mail is a mark against it.",
            )
        ]
    if len(chain) > 3:
        return [
            Notice(
                "link-chain",
                Grade.WARN,
                about,
                f"{len(chain) - 1} redirects",
                path[:600],
                "Shorten the chain: every host of it counts.",
            )
        ]
    if len(chain) > 1:
        return [
            Notice(
                "link-chain",
                Grade.NOTE,
                about,
                f"leads to {_host(last)} over {len(chain) - 1} redirect{'s' * (len(chain) > 2)}",
                path[:600],
            )
        ]
    return []


def _merge_seeds(notices: list[Notice], seeds: Sequence[str]) -> list[Notice]:
    """Say once what holds for every seed."""
    return [
        replace(same[0], about="production") if len(same) >= len(seeds) else _first(same) for same in _alike(notices)
    ]


def _together(notices: list[Notice]) -> list[Notice]:
    """Say once what holds for many links: a page has one fault a thousand times."""
    return [_first(same) for same in _alike(notices)]


def _first(same: Sequence[Notice]) -> Notice:
    return replace(same[0], about=f"{same[0].about} and {len(same) - 1:,} more") if len(same) > 1 else same[0]


def _alike(notices: Iterable[Notice]) -> Iterable[list[Notice]]:
    found: dict[tuple[str, str, str], list[Notice]] = {}
    for notice in notices:
        found.setdefault((notice.id, notice.finding, notice.do), []).append(notice)
    return found.values()


def _on_loopback(notice: Notice) -> Notice:
    """A rehearsal on the sandbox needs no DNS: what would stop a real send is a warning there."""
    rehearsed = ("spf", "dkim", "dmarc", "mail-from", "ptr", "helo", "host-missing", "mta-sts", "tls-rpt", "bimi")
    if notice.grade is Grade.FAIL and notice.id.startswith(rehearsed):
        return replace(notice, grade=Grade.WARN, finding=f"{notice.finding} (the sandbox does not mind)")
    return notice


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
