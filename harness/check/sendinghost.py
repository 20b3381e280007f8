"""The sending host: MAIL FROM domain, reverse DNS and HELO of the sending IPs, and what is optional around them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from harness.check.lookup import Found, Resolver, could_not
from harness.check.notice import Grade, Notice
from harness.model.relay import Relay

MOST_EXCHANGES = 5  # hosts of an MX that are looked up
MOST_NAMES = 5  # names of one IP
_LINES = r"(?:^|[.-])(?:dynamic|dyn|dhcp|pool|a?dsl)(?=[.\d-]|$)"  # what access providers call their customers' lines


def seen_notices(domain: str, whose: str, envelope_sender: str) -> list[Notice]:
    """Say by whose word another MAIL FROM domain is checked than ours."""
    if not whose:
        return []
    about, finding = f"MAIL FROM {domain}", "the provider sets an envelope sender of its own: its domain is checked"
    evidence = f"by {whose}; campaign.yaml says {envelope_sender}"
    return [Notice("mail-from-seen", Grade.NOTE, about, finding, evidence)]


def mail_from_notices(domain: str, resolver: Resolver) -> list[Notice]:
    """Say whether bounces could come back: the MAIL FROM domain exists and takes mail."""
    about = f"MAIL FROM {domain}"
    mx = resolver.ask(domain, "MX")
    if mx.failed:
        return [
            Notice(
                "mail-from",
                Grade.UNKNOWN,
                about,
                "MAIL FROM domain could not be checked",
                could_not(mx),
                "Ask again later.",
            )
        ]
    hosts = [record.split()[-1].rstrip(".") for record in mx.records]
    if hosts == [""] or mx.records == ("0 .",):
        return [
            Notice(
                "mail-from-null",
                Grade.FAIL,
                about,
                "the MAIL FROM domain takes no mail (null MX)",
                f"MX {domain}: 0 . (RFC 7505)",
                "Use a domain that takes bounces.",
            )
        ]
    if hosts:
        return [_exchanges(domain, hosts, mx.records, about, resolver)]
    if mx.state is Found.NO_NAME:
        return [
            Notice(
                "mail-from-missing",
                Grade.FAIL,
                about,
                "the MAIL FROM domain does not exist",
                f"MX {domain}: NXDOMAIN",
                "Create it with an MX: Apple refuses senders whose domain has no DNS.",
            )
        ]
    address = resolver.ask(domain, "A")
    if address.absent:
        address = resolver.ask(domain, "AAAA")
    if address.failed:
        return [
            Notice(
                "mail-from",
                Grade.UNKNOWN,
                about,
                "no MX, and its address could not be checked",
                could_not(address),
                "Ask again later.",
            )
        ]
    if address.records:
        return [
            Notice(
                "mail-from-implicit",
                Grade.WARN,
                about,
                "no MX record, an address only",
                f"{address.type} {domain}: {address.records[0]}",
                "Publish an MX, so that bounces reach a host that takes them.",
            )
        ]
    return [
        Notice(
            "mail-from-missing",
            Grade.FAIL,
            about,
            "the MAIL FROM domain has neither MX nor address",
            f"MX, A and AAAA {domain}: none",
            "Publish an MX: Apple refuses senders whose domain has no DNS.",
        )
    ]


def _exchanges(domain: str, hosts: Sequence[str], records: Sequence[str], about: str, resolver: Resolver) -> Notice:
    """Say whether any of the hosts that take a domain's mail has an address."""
    evidence = f"MX {domain}: {', '.join(records[:4])}"
    failed = None
    for host in hosts[:MOST_EXCHANGES]:
        found = resolver.ask(host, "A")
        if found.absent:
            found = resolver.ask(host, "AAAA")
        if found.records:
            return Notice("mail-from", Grade.OK, about, f"takes mail at {host}", evidence)
        failed = found if found.failed else failed
    if failed or len(hosts) > MOST_EXCHANGES:
        why = could_not(failed) if failed else evidence
        return Notice(
            "mail-from", Grade.UNKNOWN, about, "has an MX, whose address could not be checked", why, "Ask again later."
        )
    return Notice(
        "mail-from-dead",
        Grade.FAIL,
        about,
        "no host that the MX names has an address",
        f"{evidence}; A and AAAA: none",
        "Correct the MX: bounces reach nobody, and Apple refuses senders whose domain does not resolve.",
    )


def ip_notices(ip: str, resolver: Resolver) -> list[Notice]:
    """Say whether a sending IP has a name, and whether the name leads back."""
    about = f"sending IP {ip}"
    found = resolver.ask(ipaddress.ip_address(ip).reverse_pointer, "PTR")
    if found.failed:
        return [
            Notice(
                "ptr", Grade.UNKNOWN, about, "reverse DNS could not be checked", could_not(found), "Ask again later."
            )
        ]
    if not found.records:
        return [
            Notice(
                "ptr-missing",
                Grade.FAIL,
                about,
                "no reverse DNS",
                f"PTR {found.name}: none",
                "Have the owner of the IP publish one; Apple asks for it.",
            )
        ]
    kind = "AAAA" if ":" in ip else "A"
    names = [record.rstrip(".").lower() for record in found.records[:MOST_NAMES]]
    ways = [resolver.ask(name, kind) for name in names]
    leads = [name for name, way in zip(names, ways, strict=True) if _holds(way.records, ip)]
    failed = next((way for way in ways if way.failed), None)
    if not leads and failed:
        return [
            Notice(
                "ptr",
                Grade.UNKNOWN,
                about,
                f"is called {', '.join(names)}; the way back could not be checked",
                could_not(failed),
                "Ask again later.",
            )
        ]
    if not leads:
        return [
            Notice(
                "ptr-forward",
                Grade.FAIL,
                about,
                f"is called {', '.join(names)}, which does not lead back",
                "; ".join(f"{kind} {way.name}: {', '.join(way.records) or 'none'}" for way in ways),
                "Give the name an address record of this IP (forward-confirmed reverse DNS).",
            )
        ]
    host = leads[0]  # with several names, one that leads back is enough for receivers
    out = [Notice("ptr", Grade.OK, about, f"is called {host}, which leads back", f"PTR {host}; {kind} {ip}")]
    if re.search(rf"(?<!\d){re.escape(ip.replace('.', '-'))}(?!\d)|{_LINES}", host):
        out.append(
            Notice(
                "ptr-generic",
                Grade.WARN,
                about,
                f"has a name like a customer's line: {host}",
                f"PTR {host}",
                "Give it a name of the mail domain.",
            )
        )
    return out


def _holds(records: Sequence[str], ip: str) -> bool:
    return ipaddress.ip_address(ip) in {ipaddress.ip_address(record) for record in records}


def greeting_notices(relay: Relay, resolver: Resolver) -> list[Notice]:
    """Say whether the name is in order by which Apple is greeted, where it is known.

    What `helo` sets is how we greet the relay. Apple hears it only from a host that we say mail leaves from.
    """
    if relay.kind == "sandbox":
        return []
    if relay.sending_ips and relay.helo:
        return helo_notices(relay.helo, resolver)
    if relay.sending_ips:
        evidence, do = "sending_ips without helo", "Set helo to the name that these hosts greet with."
    else:
        evidence = f"helo {relay.helo} is how the relay is greeted; no sending_ips" if relay.helo else "no sending_ips"
        do = "Nothing, where an ESP sends. Of hosts of your own give sending_ips, and as helo how they greet Apple."
    about = f"relay {relay.name}"
    return [
        Notice(
            "helo-unknown",
            Grade.NOTE,
            about,
            "the name by which Apple is greeted is not known",
            f"relay.yaml: {evidence}",
            do,
        )
    ]


def helo_notices(helo: str, resolver: Resolver) -> list[Notice]:
    """Say whether the HELO name is a host with an address."""
    about, where = f"HELO {helo}", "helo in relay.yaml, taken for how the sending IPs greet Apple"
    if helo.startswith("[") or "." not in helo.strip("."):
        literal = helo.startswith("[")
        return [
            Notice(
                "helo",
                Grade.WARN if literal else Grade.FAIL,
                about,
                "HELO is an address in brackets" if literal else "the HELO name is no full host name",
                where,
                "Let the sending host greet with its full host name, and set helo to it.",
            )
        ]
    ways = [resolver.ask(helo, "A"), resolver.ask(helo, "AAAA")]
    records = [record for way in ways for record in way.records]
    failed = next((way for way in ways if way.failed), None)
    if records:
        return [Notice("helo", Grade.OK, about, "has an address", f"{', '.join(records)}; {where}")]
    if failed:
        return [
            Notice(
                "helo", Grade.UNKNOWN, about, "HELO name could not be checked", could_not(failed), "Ask again later."
            )
        ]
    return [
        Notice(
            "helo",
            Grade.WARN,
            about,
            "the HELO name has no address",
            f"A and AAAA {helo}: {ways[0].none}; {where}",
            "Give it the address of the sending IP.",
        )
    ]


def courtesy_notices(domain: str, from_domain: str, bimi_selector: str, resolver: Resolver) -> list[Notice]:
    """Note MTA-STS and TLS-RPT of the bounce domain and BIMI of From's; no receiver refuses for want of them."""
    out = []
    for name, version, kind, what in (
        (f"_mta-sts.{domain}", "v=stsv1", "mta-sts", "MTA-STS (RFC 8461)"),
        (f"_smtp._tls.{domain}", "v=tlsrptv1", "tls-rpt", "TLS-RPT (RFC 8460)"),
        (f"{bimi_selector}._bimi.{from_domain}", "v=bimi1", "bimi", "BIMI"),
    ):
        found = resolver.ask(name, "TXT")
        record = next((r for r in found.records if r.lower().replace(" ", "").startswith(version)), None)
        if found.failed:
            out.append(Notice(kind, Grade.UNKNOWN, name, f"{what} could not be checked", could_not(found)))
        elif record:
            out.append(Notice(kind, Grade.OK, name, f"{what} is published", record[:160]))
        else:
            out.append(
                Notice(
                    kind,
                    Grade.NOTE,
                    name,
                    f"no {what}",
                    f"TXT {name}: none",
                    "Optional; no refusal comes from its absence.",
                )
            )
    return out
