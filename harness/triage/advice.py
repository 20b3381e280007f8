"""Advice: patterns of practice that the findings fit, and what to do about each. A table, read from the top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.triage.finding import Advice, Cause, Denominator, Result
from harness.triage.lift import band, interval

RELAY = "privaterelay.appleid.com"
UNTOLD = 0.25  # a rate whose interval is wider says nothing
SENDER_CAUSES = (
    "reputation",
    "auth_failure",
    "dmarc_failure",
    "sender_rejected",
    "sending_behaviour",
    "ip_blocklist",
    "reverse_dns",
)


@dataclass(frozen=True, slots=True)
class _Pattern:
    name: str
    fits: Callable[[Result], str | None]  # why, or None
    do: str


def _count(row: Denominator, causes: tuple[str, ...]) -> int:
    return sum(n for (cause, _, how), n in row.reasons.items() if cause in causes and how == "bounced")


def _quiet(result: Result) -> str | None:
    if result.total.bounced or not result.total.sent:
        return None
    return f"none of {result.total.sent:,} messages to Apple recipients bounced"


def _sender(result: Result) -> str | None:
    refused = _count(result.total, SENDER_CAUSES)
    if not refused or refused < result.total.failed:
        return None
    about = f"{refused:,} of {result.total.bounced:,} bounces are about sender, authentication or IP"
    return f"{about}, {result.total.failed:,} about content"


def _few(result: Result) -> str | None:
    total = result.total
    low, high = interval(total.failed, total.sent)
    if not total.sent or not total.failed or high - low < UNTOLD:
        return None
    return f"{total.failed:,} of {total.sent:,}: the rate may be anything from {low:.1%} to {high:.1%}"


def _everything(result: Result) -> str | None:
    total = result.total
    if not total.failed or interval(total.failed, total.sent)[0] < 0.4 or total.failed / total.sent < 0.5:
        return None
    return f"{total.failed:,} of {total.sent:,} were refused, whatever they held"


def _relay(result: Result) -> str | None:
    relay = next((row for row in result.domains if row.domain == RELAY), None)
    if relay is None or not relay.sent:
        return None
    forwarded = _count(relay, ("relay_rejected",))
    others = result.total.failed - relay.failed
    if (
        relay.failed + forwarded < 5
        or (relay.failed and others * 9 > relay.failed)
        or (not relay.failed and not forwarded)
    ):
        return None
    return f"{relay.failed + forwarded:,} refusals at {RELAY}, {others:,} content refusals at all other Apple domains"


def _by(*kinds: str) -> Callable[[Result], str | None]:
    def fits(result: Result) -> str | None:
        for cause in result.causes:
            if any(_kind(c.field) in kinds for c in cause.conditions):
                return sentence(cause)
        return None

    return fits


def _kind(field: str) -> str:
    """Return the kind of a field: its name, `merge` for merged values, `link_host` for hosts of links in them."""
    if field.startswith("merge:"):
        return "link_host" if field.endswith(" host") else "merge"
    return field


def _pair(result: Result) -> str | None:
    return next((sentence(cause) for cause in result.causes if len(cause.conditions) > 1), None)


def _scattered(result: Result) -> str | None:
    total = result.total
    if result.causes or not total.failed or total.failed / total.sent > 0.02:
        return None
    return (
        f"{total.failed:,} of {total.sent:,} ({total.failed / total.sent:.2%}), and no field of the export says which"
    )


def _unexplained(result: Result) -> str | None:
    total = result.total
    if result.causes or not total.failed or total.failed / total.sent <= 0.02:
        return None
    share = f"{total.failed:,} of {total.sent:,} ({total.failed / total.sent:.2%})"
    return f"{share} were refused, and no field of the export says which"


PATTERNS = (
    _Pattern("nothing bounced", _quiet, "Nothing to look for in this export."),
    _Pattern("too few messages", _few, "Nothing can be told from so few: bring the rows of the whole campaign."),
    _Pattern("sender, not content", _sender,
             "`harness check CAMPAIGN` for authentication, reverse DNS and lists; ask the ESP about the pool. A "
             "retest of content would measure nothing."),
    _Pattern("all Apple mail", _everything,
             "Reputation or authentication first: `harness check CAMPAIGN`, and a control by `harness run`; if "
             "the control is refused, content is not to blame."),
    _Pattern("relay addresses only", _relay,
             "A forwarded refusal: register the From and the return-path domain for Apple's private relay, then "
             "look at what stands behind it. "
             "Retest with a relay seed and an icloud.com seed in one segment."),
    _Pattern("a pair of values", _pair, "Neither value alone does it. Retest both together and each alone: "
                                        "`harness run --suspects FILE`."),
    _Pattern("one link host", _by("link_host", "link"),
             "That domain's reputation: check it on the blocklists, retest with the link plain and with it "
             "back; ask the domain's owner before the next send."),
    _Pattern("one tracking domain", _by("redirect_host"),
             "The tracking domain, often shared with others: retest with direct links, then ask the ESP for a "
             "domain of your own."),
    _Pattern("one image or attachment", _by("image", "image_host", "attachment"), "Retest without it, and with "
        "it hosted or made anew."),
    _Pattern("a new template or version", _by("template", "version", "subject", "preheader", "offer"),
             "Test variants: `harness run --suspects FILE` brings the new parts back one at a time."),
    _Pattern("a merged value", _by("merge"),
             "Retest that field: the harness swaps values between seeds and shows whether refusal follows the "
             "value or the recipient."),
    _Pattern("one sending IP or pool", _by("sending_ip", "ip_pool", "sending_host"),
             "Reputation of that IP, not content: ask the ESP, compare two relays with `harness compare`."),
    _Pattern("one envelope or From domain", _by("envelope_sender", "from", "reply_to"), "`harness check` with "
        "that sender: SPF, DKIM, DMARC alignment; then swap it in a retest."),
    _Pattern("one hour", _by("hour"), "Something of that time: a block that was lifted, a rate limit, a change "
                                      "of template. Compare with what changed then."),
    _Pattern("one Apple domain", _by("recipient_domain"), "Look at that domain's replies below; put seeds of it "
                                                          "and of another into one segment."),
    _Pattern("small and scattered", _scattered,
             "Content that few recipients get, or the recipients themselves: bring what was merged (--merge "
             "FILE), then `harness run --suspects FILE` "
             "sends failed recipients' rows to your own seeds."),
    _Pattern("no field explains it", _unexplained, "The export lacks the field that matters: bring what was "
                                                   "merged (--merge FILE), or retest the whole campaign."),
)  # fmt: skip


def advise(result: Result) -> tuple[Advice, ...]:
    """Return the patterns that fit, weightiest first."""
    out = []
    for pattern in PATTERNS:
        why = pattern.fits(result)
        if why:
            out.append(Advice(pattern.name, why, pattern.do))
    total = result.total
    if total.failed and band(interval(total.failed, total.sent)[0]) == "pause":
        out.append(
            Advice(
                "above 2 %",
                f"{total.failed / total.sent:.2%} of Apple mail refused for content",
                "Pause mail to Apple recipients until a retest passes.",
            )
        )
    return tuple(out)


def sentence(cause: Cause) -> str:
    """Say a cause in one sentence."""
    c = cause.contrast
    others = f"{c.others_failed:,} of {c.others_sent:,} ({c.others_rate:.2%})"
    return f"{cause.words}: {c.failed:,} of {c.sent:,} refused ({c.rate:.2%}), without it {others}"
