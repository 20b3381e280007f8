"""The relay: what its settings and, with --live, its own greeting say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.check.notice import Grade, Notice
from harness.model.relay import Answers, Relay, Tls


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
    limit = offered.get("size", "").strip()
    if limit.isdigit() and 0 < int(limit) < size:
        out.append(
            Notice(
                "relay-size",
                Grade.FAIL,
                about,
                f"takes {int(limit):,} bytes, the message has {size:,}",
                f"SIZE {limit}",
                "Make the message smaller.",
            )
        )
    if relay.answers is Answers.BOUNCES and "dsn" not in offered:
        out.append(Notice("relay-dsn", Grade.WARN if relay.bounces else Grade.FAIL, about, "does not offer DSN "
            "(RFC 3461)", ", ".join(sorted(offered)),
                          "Success can't be asked for; silence until the settle time is all there is." ))  # fmt: skip
    return out


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
        return Notice("relay-answers", Grade.NOTE, about, "answers with Apple's own words in "
                                                          "session", "answers: session",
                      "True only where the relay hands the mail on while we wait; an ESP queues it: then set "
                      "answers: bounces.")  # fmt: skip
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
