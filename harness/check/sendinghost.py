"""The sending host: MAIL FROM domain, reverse DNS and HELO of the sending IPs, and what is optional around them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from harness.check.lookup import Found, Resolver, Suffixes, could_not
from harness.check.notice import Grade, Notice
from harness.model.relay import Relay

MOST_EXCHANGES = 5  # hosts of an MX that are looked up
MOST_NAMES = 5  # names of one IP
INSIDE = [
    ipaddress.ip_network(block)
    for block in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
]
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
        return _exchanges(domain, hosts, mx.records, about, resolver)
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


def _exchanges(
    domain: str, hosts: Sequence[str], records: Sequence[str], about: str, resolver: Resolver
) -> list[Notice]:
    """Say whether any of the hosts that take a domain's mail has an address."""
    evidence = f"MX {domain}: {', '.join(records[:4])}"
    failed = None
    for host in hosts[:MOST_EXCHANGES]:
        found = resolver.ask(host, "A")
        if found.absent:
            found = resolver.ask(host, "AAAA")
        if found.records:
            takes = Notice("mail-from", Grade.OK, about, f"takes mail at {host}", evidence)
            return [takes, *_alias(host, about, resolver)]
        failed = found if found.failed else failed
    if failed or len(hosts) > MOST_EXCHANGES:
        why, finding = could_not(failed) if failed else evidence, "has an MX, whose address could not be checked"
        return [Notice("mail-from", Grade.UNKNOWN, about, finding, why, "Ask again later.")]
    return [
        Notice(
            "mail-from-dead",
            Grade.FAIL,
            about,
            "no host that the MX names has an address",
            f"{evidence}; A and AAAA: none",
            "Correct the MX: bounces reach nobody, and Apple refuses senders whose domain does not resolve.",
        )
    ]


def _alias(host: str, about: str, resolver: Resolver) -> list[Notice]:
    alias = resolver.ask(host, "CNAME")
    if not alias.records:
        return []
    finding, do = "the MX names an alias", "Name the host itself (RFC 5321 section 5.1, RFC 2181 section 10.3)."
    return [Notice("mail-from-alias", Grade.NOTE, about, finding, f"CNAME {host}: {alias.records[0]}", do)]


def is_inside(ip: str) -> bool:
    """Tell an address that no receiver ever sees: a router stands between."""
    address = ipaddress.ip_address(ip)
    return any(address in network for network in INSIDE if network.version == address.version)


def inside_notice(ip: str) -> Notice:
    """Say of a private sending IP that it can't be the one that Apple sees."""
    finding, do = "a private address, which Apple never sees", "Give the public address from which its mail leaves."
    return Notice("ip-private", Grade.WARN, f"sending IP {ip}", finding, "sending_ips in relay.yaml", do)


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
    if _is_generic(host, ip):
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


def _is_generic(host: str, ip: str) -> bool:
    """Tell a name that an access provider makes for a line: with the IP in it, in either order."""
    parts = ip.split(".")  # of IPv6 one part, which stands in no name
    orders = "|".join(r"[.-]".join(map(re.escape, order)) for order in (parts, parts[::-1]))
    return bool(re.search(rf"(?<!\d)(?:{orders})(?!\d)|{_LINES}", host))


def _holds(records: Sequence[str], ip: str) -> bool:
    return ipaddress.ip_address(ip) in {ipaddress.ip_address(record) for record in records}


def greeting_notices(relay: Relay, resolver: Resolver) -> list[Notice]:
    """Say whether the name is in order by which Apple is greeted, where it is known.

    What `helo` sets is how we greet the relay. Apple hears it only from a host that we say mail leaves from.
    """
    if relay.kind == "sandbox":
        return []
    if relay.sending_ips and relay.helo:
        return helo_notices(relay.helo, relay.sending_ips, resolver)
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


def helo_notices(helo: str, ips: Sequence[str], resolver: Resolver) -> list[Notice]:
    """Say whether the HELO name is a host with an address, that of a host which sends."""
    about, where = f"HELO {helo}", "helo in relay.yaml, taken for how the sending IPs greet Apple"
    do = "Let the sending host greet with its full host name, and set helo to it."
    if helo.startswith("["):
        return [Notice("helo", Grade.WARN, about, "HELO is an address in brackets", where, do)]
    if _is_address(helo):
        return [Notice("helo", Grade.FAIL, about, "HELO is a bare address, which is no host name", where, do)]
    if "." not in helo.strip("."):
        return [Notice("helo", Grade.FAIL, about, "the HELO name is no full host name", where, do)]
    ways = [resolver.ask(helo, "A"), resolver.ask(helo, "AAAA")]
    records = [record for way in ways for record in way.records]
    failed = next((way for way in ways if way.failed), None)
    if any(_holds(records, ip) for ip in ips):
        return [Notice("helo", Grade.OK, about, "has the address of a sending IP", f"{', '.join(records)}; {where}")]
    if failed:
        finding = "HELO name could not be checked"
        return [Notice("helo", Grade.UNKNOWN, about, finding, could_not(failed), "Ask again later.")]
    if records:
        finding, evidence = "the HELO name has the address of another host", f"{', '.join(records[:4])}; {where}"
    else:
        finding, evidence = "the HELO name has no address", f"A and AAAA {helo}: {ways[0].none}; {where}"
    return [Notice("helo", Grade.WARN, about, finding, evidence, "Give it the address of the sending IP.")]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def courtesy_notices(
    domain: str, from_domain: str, bimi_selector: str, resolver: Resolver, suffixes: Suffixes
) -> list[Notice]:
    """Note MTA-STS and TLS-RPT of the bounce domain and BIMI of From's; no receiver refuses for want of them."""
    bimi = dict.fromkeys(f"{bimi_selector}._bimi.{host}" for host in (from_domain, suffixes.registrable(from_domain)))
    return [
        _courtesy([f"_mta-sts.{domain}"], "v=stsv1", "mta-sts", "MTA-STS (RFC 8461)", resolver),
        _courtesy([f"_smtp._tls.{domain}"], "v=tlsrptv1", "tls-rpt", "TLS-RPT (RFC 8460)", resolver),
        _courtesy(list(bimi), "v=bimi1", "bimi", "BIMI", resolver),
    ]


def _courtesy(names: Sequence[str], version: str, kind: str, what: str, resolver: Resolver) -> Notice:
    """Look for a record under the first name, then under the next."""
    for name in names:
        found = resolver.ask(name, "TXT")
        record = next((r for r in found.records if r.lower().replace(" ", "").startswith(version)), None)
        if found.failed:
            return Notice(kind, Grade.UNKNOWN, name, f"{what} could not be checked", could_not(found))
        if record:
            return Notice(kind, Grade.OK, name, f"{what} is published", record[:160])
    evidence, do = f"TXT {', '.join(names)}: none", "Optional; no refusal comes from its absence."
    return Notice(kind, Grade.NOTE, names[0], f"no {what}", evidence, do)
