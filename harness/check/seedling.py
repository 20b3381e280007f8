"""Seeds: can these mailboxes give an answer about content at all?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.check.lookup import Resolver, could_not
from harness.check.notice import Grade, Notice
from harness.model.relay import Relay
from harness.model.seed import Segment, is_reserved

RELAY_DOMAIN = "privaterelay.appleid.com"
APPLE_MX = ".mail.icloud.com"  # mx01 and mx02 take the mail of domains hosted on iCloud Mail
UNREGISTERED = "relay_rejected"  # the class of what private relay says to senders that it doesn't know
REGISTER = "Register From's and MAIL FROM's domains at developer.apple.com (Sign in with Apple, email sources)."


@dataclass(frozen=True, slots=True)
class SeedPast:
    """What the ledger knows of a seed: messages of the day, suppressions, refusals that were about the recipient."""

    sent_today: int = 0
    suppressed: str = ""  # the run in which this relay's provider suppressed it, with nothing accepted since
    elsewhere: Sequence[str] = ()  # other relays, with the run, whose providers did
    refused: Mapping[str, int] = field(default_factory=dict)  # class -> how often since a message was accepted
    last: str = ""  # the run of the last refusal


def seed_notices(
    segment: Segment,
    relay: Relay,
    past: Mapping[str, SeedPast],
    from_domain: str,
    mail_from: str,
    resolver: Resolver,
) -> list[Notice]:
    """Say which seeds can't be used, or are nearly used up."""
    out = []
    reserved = [seed.address for seed in segment.seeds if is_reserved(seed.address)]
    if reserved:
        grade, do = (Grade.NOTE, "") if relay.loopback else (Grade.FAIL, "Use --relay sandbox, or seeds at Apple.")
        about = reserved[0] if len(reserved) == 1 else f"{reserved[0]} and {len(reserved) - 1} more"
        out.append(
            Notice(
                "seed-reserved",
                grade,
                about,
                "a reserved domain, for a sandbox only",
                f"relay {relay.name}: {relay.host}",
                do,
            )
        )
    for seed in segment.seeds:
        out += _past(seed.address, past.get(seed.address, SeedPast()), segment.daily_cap, relay)
    if not relay.loopback:
        hosts = [seed.address.rpartition("@")[2].lower() for seed in segment.seeds if seed.domain == "custom"]
        for host in dict.fromkeys(host for host in hosts if not is_reserved(host)):
            out += _hosted(host, resolver)
    if any(seed.domain == RELAY_DOMAIN for seed in segment.seeds) and not relay.loopback:
        out.append(
            Notice(
                "seed-relay",
                Grade.NOTE,
                RELAY_DOMAIN,
                "private relay takes mail of registered senders only",
                f"From {from_domain}, MAIL FROM {mail_from}",
                f"{REGISTER} Else the refusals are `unauthorized sender`.",
            )
        )
    domains = sorted({seed.domain for seed in segment.seeds})
    if len(segment.seeds) < 4:
        out.append(
            Notice(
                "seed-few",
                Grade.WARN,
                f"segment {segment.name}",
                f"{len(segment.seeds)} seeds",
                ", ".join(domains),
                "4 accepted of 4 against 4 refused of 4 is p = 0.03; take 5 or more.",
            )
        )
    if not out:
        out.append(
            Notice(
                "seeds",
                Grade.OK,
                f"segment {segment.name}",
                f"{len(segment.seeds)} seeds can be used",
                ", ".join(domains),
            )
        )
    return out


def _hosted(host: str, resolver: Resolver) -> list[Notice]:
    """Say whether a domain of one's own (`domain: custom`) is hosted on iCloud Mail: Apple's MX takes its mail."""
    about, found = f"seeds at {host}", resolver.ask(host, "MX")
    if any(record.rstrip(".").lower().endswith(APPLE_MX) for record in found.records):
        return []
    if found.failed:
        finding, evidence, do = "whether Apple hosts them could not be checked", could_not(found), "Ask again later."
        return [Notice("seed-not-apple", Grade.UNKNOWN, about, finding, evidence, do)]
    return [
        Notice(
            "seed-not-apple",
            Grade.FAIL,
            about,
            "not hosted at Apple, although seeds.yaml says domain: custom",
            f"MX {host}: {', '.join(found.records[:4]) or found.none}",
            "Use mailboxes at icloud.com, me.com or mac.com, a relay address, or a domain hosted on iCloud Mail.",
        )
    ]


def _past(address: str, known: SeedPast, cap: int, relay: Relay) -> list[Notice]:
    out = []
    if known.suppressed:
        out.append(
            Notice(
                "seed-suppressed",
                Grade.FAIL,
                address,
                f"suppressed by the provider of relay {relay.name}, and nothing was accepted there since",
                known.suppressed,
                "Lift the suppression there, or use a fresh seed: a suppressed copy measures nothing.",
            )
        )
    if known.elsewhere:
        out.append(
            Notice(
                "seed-suppressed",
                Grade.NOTE,
                address,
                "suppressed by the provider of another relay",
                "; ".join(known.elsewhere),
                "Nothing for this relay: each provider keeps a list of its own.",
            )
        )
    for cause, count in sorted(known.refused.items()):
        unregistered = cause == UNREGISTERED
        out.append(
            Notice(
                "seed-relay" if unregistered else "seed-refused",
                Grade.WARN,
                address,
                f"refused before as {cause} ({count} time{'s' * (count > 1)}), and nothing was accepted since",
                known.last,
                REGISTER if unregistered else "Look into that mailbox first.",
            )
        )
    left = cap - known.sent_today
    if relay.kind != "sandbox" and left <= 0:
        out.append(
            Notice(
                "seed-cap",
                Grade.FAIL,
                address,
                f"today's cap is used up ({known.sent_today} of {cap})",
                "",
                "Go on tomorrow, or use another seed.",
            )
        )
    elif relay.kind != "sandbox" and left < cap / 2:
        out.append(Notice("seed-cap", Grade.NOTE, address, f"{left} of {cap} messages left today", "", ""))
    return out
