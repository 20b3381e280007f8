"""Advice: patterns of practice that the findings fit, and what to do about each. A table, read from the top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.triage.finding import NOT_MERGED, OF_SENDER, Advice, Cause, Condition, Result
from harness.triage.lift import UNTOLD, interval, standing

RELAY = "privaterelay.appleid.com"
POSTPONED = 0.05  # of what was sent; fewer deferrals are every day's


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What is known of practice: when it fits, and what to do.

    A retest of `content` tells nothing while a control would be refused, so where a pattern that comes `first` fits,
    patterns of content are left out. Refusals about recipients have advice of their own.
    """

    name: str
    fits: Callable[[Result], str | None]  # why, or None
    do: str
    content: bool = False
    first: bool = False
    about: tuple[str, ...] = ("content", "sender")


def _quiet(result: Result) -> str | None:
    total = result.total
    if total.bounced or not total.sent or _postponed(result):
        return None
    return f"none of {total.sent:,} messages to Apple recipients bounced"


def _postponed(result: Result) -> str | None:
    total = result.total
    if total.deferred <= POSTPONED * total.sent:
        return None
    waiting: dict[str, int] = {}
    for (cause, tag, how), n in total.reasons.items():
        if how == "deferred":
            waiting[tag or cause] = waiting.get(tag or cause, 0) + n
    most = max(waiting, key=lambda name: waiting[name], default="")
    share = f"{total.deferred:,} of {total.sent:,} ({total.deferred / total.sent:.1%}) are deferred"
    return f"{share}, {waiting[most]:,} of them by {most}" if most else share


def _sender(result: Result) -> str | None:
    total = result.total
    of_sender = total.bounced_for(OF_SENDER)
    others = total.refused - of_sender
    if not of_sender or of_sender <= others:
        return None
    about = f"{of_sender:,} of {total.bounced:,} bounces are about sender, authentication or IP"
    return f"{about}, {others:,} about content"


def _recipients(result: Result) -> str | None:
    return f"{result.total.failed:,} of {result.total.sent:,} are {result.target}" if result.total.failed else None


def _few(result: Result) -> str | None:
    total = result.total
    low, high = interval(total.failed, total.sent)
    if not total.sent or not total.failed or high - low < UNTOLD:
        return None
    return f"{total.failed:,} of {total.sent:,}: the rate may be anything from {low:.1%} to {high:.1%}"


def _everything(result: Result) -> str | None:
    total = result.total
    whatever = total.refused - round(result.explained * total.failed)
    if not total.sent or whatever < 0.5 * total.sent or interval(whatever, total.sent)[0] < 0.4:
        return None
    return f"{whatever:,} of {total.sent:,} were refused, whatever they held"


def _relay(result: Result) -> str | None:
    relay = next((row for row in result.domains if row.domain == RELAY), None)
    if relay is None or not relay.sent:
        return None
    forwarded = relay.bounced_for(("relay_rejected",))
    others = result.total.failed - relay.failed
    if (
        relay.failed + forwarded < 5
        or (relay.failed and others * 9 > relay.failed)
        or (not relay.failed and not forwarded)
    ):
        return None
    return f"{relay.failed + forwarded:,} refusals at {RELAY}, {others:,} {result.target} at all other Apple domains"


def _by(*kinds: str) -> Callable[[Result], str | None]:
    def fits(result: Result) -> str | None:
        found = [c for c in result.causes if len(c.conditions) == 1 and _kind(c.conditions[0]) in kinds]
        return sentences(found) if found else None

    return fits


def _kind(condition: Condition) -> str:
    """Return the kind of a value: its field, `merge` for merged values, `link` and `link_host` for links in them.

    `unmerged` is what the merge file lacks, `other` a field that no pattern is about.
    """
    if condition.value == NOT_MERGED:
        return "unmerged"
    if not condition.field.startswith("merge:"):
        return condition.field if condition.field in _OF_PATTERNS else "other"
    if condition.field.endswith(" host"):
        return "link_host"
    return "link" if condition.value.lower().startswith(("http://", "https://")) else "merge"


def _pair(result: Result) -> str | None:
    return next((sentence(cause) for cause in result.causes if len(cause.conditions) > 1), None)


def _scattered(result: Result) -> str | None:
    total = result.total
    if result.causes or not total.failed or standing(total.failed, total.sent) not in ("watch", "investigate"):
        return None
    return (
        f"{total.failed:,} of {total.sent:,} ({total.failed / total.sent:.2%}), and no field of the export says which"
    )


def _unexplained(result: Result) -> str | None:
    total = result.total
    if result.causes or not total.failed or standing(total.failed, total.sent) != "pause":
        return None
    share = f"{total.failed:,} of {total.sent:,} ({total.failed / total.sent:.2%})"
    return f"{share} were refused, and no field of the export says which"


def _above(result: Result) -> str | None:
    total = result.total
    if "pause" not in (standing(total.refused, total.sent), standing(total.failed, total.sent)):
        return None
    share = f"{total.refused:,} of {total.sent:,} messages to Apple ({total.refused / total.sent:.2%}) were refused"
    return share if total.failed == total.refused else f"{share}; {total.failed:,} bounces are {result.target}"


_OF_PATTERNS = {
    *("link_host", "link", "redirect_host", "image", "image_host", "attachment", "template", "version", "subject"),
    *("preheader", "offer", "sending_ip", "ip_pool", "sending_host", "envelope_sender", "from", "reply_to", "hour"),
    "recipient_domain",
}
PATTERNS = (
    _Pattern("nothing bounced", _quiet, "Nothing to look for in this export."),
    _Pattern("too few messages", _few, "Nothing can be told from so few: bring the rows of the whole campaign."),
    _Pattern("postponed", _postponed,
             "Not refused yet, and not accepted: the class and tag say whom it is about (HCM1 and HCM2: the reputation "
             "of the IP). Slow down, ask the ESP about the pool, and count again when they are delivered or expired."),
    _Pattern("sender, not content", _sender,
             "`harness check CAMPAIGN` for authentication, reverse DNS and lists; ask the ESP about the pool. Content "
             "comes after: a retest of it would measure nothing.", first=True),
    _Pattern("all Apple mail", _everything,
             "Reputation or authentication first: `harness check CAMPAIGN`, and a control by `harness run`; if "
             "the control is refused, content is not to blame.", first=True),
    _Pattern("recipients", _recipients,
             "Their addresses or mailboxes, neither content nor sender: take those that are gone off the list, and "
             "look where they came from.", about=("recipient",)),
    _Pattern("relay addresses only", _relay,
             "A forwarded refusal: register the From and the return-path domain for Apple's private relay, then "
             "look at what stands behind it. "
             "Retest with a relay seed and an icloud.com seed in one segment."),
    _Pattern("a pair of values", _pair, "Neither value alone does it. Retest both together and each alone: "
                                        "`harness run --suspects FILE`.", content=True),
    _Pattern("one link host", _by("link_host"),
             "That domain's reputation: check it on the blocklists, retest with the link plain and with it "
             "back; ask the domain's owner before the next send.", content=True),
    _Pattern("one link", _by("link"),
             "That page, not its whole host: open it and what it redirects to (`harness check CAMPAIGN --follow`), "
             "retest without the link and with it back.", content=True),
    _Pattern("one tracking domain", _by("redirect_host"),
             "The tracking domain, often shared with others: retest with direct links, then ask the ESP for a "
             "domain of your own.", content=True),
    _Pattern("one image or attachment", _by("image", "image_host", "attachment"), "Retest without it, and with "
        "it hosted or made anew.", content=True),
    _Pattern("a new template or version", _by("template", "version", "subject", "preheader", "offer"),
             "Test variants: `harness run --suspects FILE` brings the new parts back one at a time.", content=True),
    _Pattern("a merged value", _by("merge"),
             "Retest that field: the harness swaps values between seeds and shows whether refusal follows the "
             "value or the recipient.", content=True),
    _Pattern("not in the merge file", _by("unmerged"),
             "Refused recipients are missing there, so nothing can be told of what they got: bring a merge file of "
             "everybody."),
    _Pattern("a value of another field", _by("other"),
             "Find out what those messages have that others lack, and retest it.", content=True),
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
             "sends failed recipients' rows to your own seeds.", content=True),
    _Pattern("no field explains it", _unexplained,
             "The export lacks the field that matters: bring what was merged (--merge FILE), or retest the whole "
             "campaign.", content=True),
    _Pattern("above 2 %", _above, "Pause mail to Apple recipients until a control and then a retest pass."),
)  # fmt: skip


def advise(result: Result) -> tuple[Advice, ...]:
    """Return the patterns that fit, weightiest first."""
    fitting = [(p, why) for p in PATTERNS if result.about in p.about and (why := p.fits(result))]
    blocked = result.about == "sender" or any(pattern.first for pattern, _ in fitting)
    return tuple(Advice(p.name, why, p.do) for p, why in fitting if not (blocked and p.content))


def sentence(cause: Cause) -> str:
    """Say a cause in one sentence."""
    c = cause.contrast
    others = f"{c.others_failed:,} of {c.others_sent:,} ({c.others_rate:.2%})"
    return f"{cause.words}: {c.failed:,} of {c.sent:,} refused ({c.rate:.2%}), without it {others}"


def sentences(causes: Sequence[Cause]) -> str:
    """Say the first of several causes of one kind, and how many there are."""
    more = f"; {len(causes) - 1} more like it" if len(causes) > 1 else ""
    return f"{sentence(causes[0])}{more}"
