"""The relay: what its settings and, with --live, its own greeting say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.check.notice import Grade, Notice
from harness.model.relay import Answers, Relay, Tls

# Hosts that take mail into a queue of their own and tell later what became of it (docs/relays.md).
QUEUES = (
    *("sendgrid.net", "amazonaws.com", "mailgun.org", "postmarkapp.com", "sparkpostmail.com", "azurecomm.net"),
    *("mailjet.com", "brevo.com", "sendinblue.com", "mandrillapp.com", "smtp2go.com", "gmail.com", "office365.com"),
)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a connection showed: what is offered, whether it is protected and logged in, or why it failed."""

    offered: Mapping[str, str]
    protected: bool
    logged_in: bool
    noop: str = ""
    error: str = ""
    temporary: bool = False  # the relay itself says that it may talk later (4yz)


def route_notices(relay: Relay, greeting: Greeting | None, size: int) -> list[Notice]:
    """Say whether the relay can carry the retest, and where Apple's words will be heard."""
    about = f"relay {relay.name}"
    out = [_answers(relay, about)]
    if greeting is None:
        return out
    if greeting.error:
        return [
            *out,
            Notice(
                "relay-down",
                Grade.FAIL,
                about,
                "can't be used",
                greeting.error,
                "Check again later: the relay says that it is temporary."
                if greeting.temporary
                else "Put that right in relay.yaml or at the relay, and check again.",
            ),
        ]
    kind = "protected" if greeting.protected else "not protected (loopback)"
    login = "logged in" if greeting.logged_in else "no login"
    refused = not greeting.noop.startswith("2")
    out.append(
        Notice(
            "relay",
            Grade.WARN if refused else Grade.OK,
            about,
            f"answers, {kind}, {login}{', and refuses NOOP' if refused else ''}",
            f"{relay.host}:{relay.port}; NOOP: {greeting.noop}",
            "It may be closing or overloaded: check again before the retest." if refused else "",
        )
    )
    offered = {name.lower(): value for name, value in greeting.offered.items()}
    return [*out, _size(offered, about, size), _dsn(offered, about, relay)]


def _size(offered: Mapping[str, str], about: str, size: int) -> Notice:
    """Say whether the relay takes a message of this size (RFC 1870; 0 is no limit)."""
    limit = offered.get("size", "").strip()
    if "size" not in offered:
        return Notice("relay-size", Grade.NOTE, about, "does not say how large a message may be", _names(offered))
    if limit.isdecimal() and 0 < int(limit[:20]) < size:
        takes = f"takes {int(limit[:20]):,} bytes, the message has {size:,}"
        return Notice("relay-size", Grade.FAIL, about, takes, f"SIZE {limit[:20]}", "Make the message smaller.")
    return Notice("relay-size", Grade.OK, about, f"takes a message of {size:,} bytes", f"SIZE {limit[:20]}".strip())


def _dsn(offered: Mapping[str, str], about: str, relay: Relay) -> Notice:
    """Say whether delivery reports can be asked for (RFC 3461), which matters where answers come as bounces."""
    if "dsn" in offered:
        return Notice("relay-dsn", Grade.OK, about, "offers DSN (RFC 3461)", _names(offered))
    lacks, do = "does not offer DSN (RFC 3461)", ""
    grade = Grade.NOTE
    if relay.answers is Answers.BOUNCES:
        grade = Grade.WARN if relay.bounces else Grade.FAIL
        do = "Success can't be asked for; silence until the settle time is all there is."
    return Notice("relay-dsn", grade, about, lacks, _names(offered), do)


def _names(offered: Mapping[str, str]) -> str:
    return ", ".join(sorted(offered))[:300]


def _answers(relay: Relay, about: str) -> Notice:
    if relay.kind == "sandbox":
        return Notice("relay-sandbox", Grade.NOTE, about, "the sandbox: nothing leaves the machine", relay.policy)
    if relay.tls is Tls.NONE and not relay.loopback:
        return Notice(
            "relay-tls",
            Grade.FAIL,
            about,
            "an open connection",
            f"tls: none, {relay.host}",
            "Set tls: starttls or implicit.",
        )
    if relay.answers is Answers.SESSION:
        if f".{relay.host.lower().rstrip('.')}".endswith(tuple(f".{host}" for host in QUEUES)):
            finding = "answers for itself: it accepts everything, and Apple's words come later"
            do = "Set answers: bounces, and bounces: to where they are collected (docs/relays.md)."
            return Notice("relay-answers", Grade.WARN, about, finding, f"answers: session, {relay.host}", do)
        finding = "answers with Apple's own words in session"
        do = "True only where the relay hands the mail on while we wait; an ESP queues it: then set answers: bounces."
        return Notice("relay-answers", Grade.NOTE, about, finding, "answers: session", do)
    if not relay.bounces:
        return Notice(
            "relay-bounces",
            Grade.FAIL,
            about,
            "answers come as bounces, and no place is named where they are collected",
            "bounces: []",
            "Add bounces: to relay.yaml.",
        )
    places = ", ".join(source.kind for source in relay.bounces)
    return Notice(
        "relay-answers",
        Grade.OK,
        about,
        f"answers come as bounces ({places})",
        f"settle {relay.settle:.0f} s: silence shorter than this is not an acceptance",
    )
