"""Identity: DKIM keys, DMARC policy and alignment, MAIL FROM domain, and what the sending IPs are called."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.check.lookup import Resolver, Suffixes, could_not
from harness.check.notice import Grade, Notice

WEAK_BITS = 1024  # RFC 8301: signers must use at least 1024, should use 2048; verifiers must not accept less than 1024


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
                f"TXT {name}: {found.state.value}",
                "Publish the key that the relay signs with, or name the right selector in check.yaml.",
            )
        ]
    record = next((r for r in found.records if "p=" in r), found.records[0])
    tags = tags_of(record)
    if "p" not in tags:
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
    if kind == "rsa" and bits < 2048:
        return [
            Notice(
                "dkim-short",
                Grade.WARN,
                about,
                f"the DKIM key has {bits} bits",
                record[:120],
                "Make one of 2048 bits (RFC 8301 section 3.2).",
            )
        ]
    if "y" in tags.get("t", "").split(":"):
        return [
            Notice(
                "dkim-testing",
                Grade.WARN,
                about,
                "the DKIM key is in test mode (t=y)",
                record[:120],
                "Take t=y out; receivers may treat the mail as unsigned.",
            )
        ]
    return [Notice("dkim", Grade.OK, about, f"DKIM key of {bits} bits ({kind})", record[:120])]


def _key(tags: Mapping[str, str]) -> tuple[str, int]:
    """Return a key's algorithm and bits, 0 bits if it can't be read."""
    kind = tags.get("k", "rsa").lower()
    try:
        raw = base64.b64decode(tags["p"], validate=True)
    except (binascii.Error, ValueError):
        return kind, 0
    if kind == "ed25519":
        return kind, 256 if len(raw) == 32 else 0
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
        records = [r for r in found.records if r.lower().replace(" ", "").startswith("v=dmarc1")]
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
            if policy.lower() not in ("none", "quarantine", "reject"):
                return None, [
                    Notice(
                        "dmarc-invalid",
                        Grade.FAIL,
                        about,
                        "the DMARC record names no policy",
                        records[0],
                        "Write p=none, p=quarantine or p=reject.",
                    )
                ]
            return Dmarc(where, {**tags, "p": policy.lower()}, records[0]), []
    return None, [Notice("dmarc-missing", Grade.FAIL, about, "no DMARC record", f"TXT _dmarc.{domain}: none",
                         "Publish v=DMARC1; p=none; rua=mailto:… at least: Apple asks bulk senders for a published policy.")]  # fmt: skip


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
    evidence = f"From {from_domain}, MAIL FROM {mail_from}, d= {', '.join(signing) or 'not known'}; aspf={dmarc.tags.get('aspf', 'r')} adkim={dmarc.tags.get('adkim', 'r')}"
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
        return [
            Notice(
                "mail-from", Grade.OK, about, f"takes mail at {hosts[0]}", f"MX {domain}: {', '.join(mx.records[:4])}"
            )
        ]
    if mx.state.value == "no_name":
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
    if address.failed:
        return [
            Notice(
                "mail-from",
                Grade.UNKNOWN,
                about,
                "no MX, and A could not be checked",
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
                "no MX record, an A record only",
                f"A {domain}: {address.records[0]}",
                "Publish an MX, so that bounces reach a host that takes them.",
            )
        ]
    return [
        Notice(
            "mail-from-missing",
            Grade.FAIL,
            about,
            "the MAIL FROM domain has neither MX nor A",
            f"MX and A {domain}: none",
            "Publish an MX: Apple refuses senders whose domain has no DNS.",
        )
    ]


def ip_notices(ip: str, helo: str | None, resolver: Resolver) -> list[Notice]:
    """Say whether a sending IP has a name, whether the name leads back, and whether HELO has an address."""
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
    host = found.records[0].rstrip(".").lower()
    kind = "AAAA" if ":" in ip else "A"
    forward = resolver.ask(host, kind)
    if forward.failed:
        return [
            Notice(
                "ptr",
                Grade.UNKNOWN,
                about,
                f"is called {host}; the way back could not be checked",
                could_not(forward),
                "Ask again later.",
            )
        ]
    back = {str(ipaddress.ip_address(a)) for a in forward.records}
    if str(ipaddress.ip_address(ip)) not in back:
        return [
            Notice(
                "ptr-forward",
                Grade.FAIL,
                about,
                f"is called {host}, which does not lead back",
                f"{kind} {host}: {', '.join(forward.records) or 'none'}",
                "Give the name an address record of this IP (forward-confirmed reverse DNS).",
            )
        ]
    out = [Notice("ptr", Grade.OK, about, f"is called {host}, which leads back", f"PTR {host}; {kind} {ip}")]
    if re.search(re.escape(ip.replace(".", "-")) + r"|dynamic|dhcp|pool|dsl", host):
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
    if helo:
        out += helo_notices(helo, resolver)
    return out


def helo_notices(helo: str, resolver: Resolver) -> list[Notice]:
    """Say whether the HELO name is a host with an address."""
    if "." not in helo.strip("."):
        return [
            Notice(
                "helo",
                Grade.FAIL,
                f"HELO {helo}",
                "the HELO name is no full host name",
                helo,
                "Set helo in relay.yaml to the relay's host name.",
            )
        ]
    found = resolver.ask(helo, "A")
    six = resolver.ask(helo, "AAAA") if not found.records else found
    if found.failed and not six.records:
        return [
            Notice(
                "helo",
                Grade.UNKNOWN,
                f"HELO {helo}",
                "HELO name could not be checked",
                could_not(found),
                "Ask again later.",
            )
        ]
    if not found.records and not six.records:
        return [
            Notice(
                "helo",
                Grade.WARN,
                f"HELO {helo}",
                "the HELO name has no address",
                f"A and AAAA {helo}: none",
                "Give it one, equal to the sending IP's.",
            )
        ]
    return [Notice("helo", Grade.OK, f"HELO {helo}", "has an address", ", ".join(found.records or six.records))]


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
