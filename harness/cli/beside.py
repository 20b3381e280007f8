"""What stands beside a run in its report: meanings, the difference of the proved pair, pictures, the choices made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from harness.report.pairs import Pair
from harness.report.told import Difference, Meaning, Picture, Thought
from harness.run.conclude import Mind
from harness.run.frame import frame

if TYPE_CHECKING:
    from harness.bounce.rule import Rules
    from harness.campaign.compare import Difference as Compared
    from harness.model.record import TrialRecord
    from harness.run.conclude import Conclusion

Messages = Callable[[str], bytes]

MOST_REPLAYED = 150  # messages of a run whose beliefs are computed once more
LEAST_SHARE = 0.05
MOST_PAIRS = 3
MOST_HUNKS = 12
CONTEXT = 48  # bytes shown before and after what differs
_DATE = re.compile(rb"(?im)^(date:)[^\r\n]*")


def meanings(rules: Rules) -> dict[str, Meaning]:
    """Return what tags and classes are said to mean, with source and confidence, by name."""
    said = {name: Meaning(cause.meaning, "the harness's catalogue of replies") for name, cause in rules.causes.items()}
    for tag in rules.tags.values():
        doubt = f"; also read as {', '.join(tag.alternatives)}" if tag.alternatives else ""
        meaning = f"{rules.causes[tag.cause].meaning if tag.cause in rules.causes else tag.cause}{doubt}"
        said[tag.name] = Meaning(meaning, ", ".join(tag.sources[:3]), tag.confidence)
    return said


def differences(pairs: tuple[Pair, ...], titles: Mapping[str, str], messages: Messages) -> tuple[Difference, ...]:
    """Set the proved pairs side by side, with what tells any two trials apart set alike first."""
    return tuple(_difference(pair, titles, messages) for pair in pairs[:MOST_PAIRS])


def pictures(pairs: tuple[Pair, ...], messages: Messages) -> tuple[tuple[Picture, ...], str]:
    """Render the first proved pair where a browser is installed; else say why there is no picture."""
    from harness.edge.browser import find_browser, thumbnail

    if not pairs:
        return (), ""
    browser = find_browser()
    if browser is None:
        return (), "No pictures of the two messages: Chromium is not installed here, or switched off."
    found = []
    for trial, word in ((pairs[0].parent, "accepted"), (pairs[0].child, "refused")):
        png = thumbnail(html_of(messages(trial.token)), browser)
        if png is None:
            return (), "No pictures of the two messages: the browser gave none that is small enough."
        found.append(Picture(f"{word}: {trial.variant}, rendered without network and scripts", png))
    return tuple(found), "Pictures are rendered without network: images of the message stay empty."


def thoughts(said: Conclusion, titles: Mapping[str, str], *, beliefs: bool) -> tuple[Thought, ...]:
    """Return each choice's sentence, once where several messages share it, with what was likeliest when it was made.

    How belief moved is computed anew, as the report is: the strategy is asked after each message what it held likely.
    """
    found: list[Thought] = []
    for trial in sorted(said.facts.trials, key=lambda trial: trial.number):
        if trial.ask.why and (not found or found[-1].why != trial.ask.why):
            found.append(Thought(trial.number, trial.ask.why))
    if not beliefs or said.facts.run.strategy != "adaptive" or len(said.facts.trials) > MOST_REPLAYED:
        return tuple(found)
    mind = Mind()
    return tuple(replace(one, likeliest=_likeliest(said, mind, one.number, titles)) for one in found)


def _likeliest(said: Conclusion, mind: Mind, number: int, titles: Mapping[str, str]) -> tuple[tuple[str, float], ...]:
    """Ask the strategy what it held likely before the message of this number was sent."""
    facts = said.facts
    before = tuple(seen for seen in said.observations if seen.number < number)
    at = next((trial.planned for trial in facts.trials if trial.number == number), None)
    pauses = tuple(one.as_pause() for one in facts.happenings if one.kind == "pause" and at and one.at <= at)
    _, belief = mind.next(facts.run.strategy, frame(facts.run), before, pauses)
    named = [(" and ".join(titles.get(name, name) for name in names), share) for names, share in belief.top[:2]]
    rest = (("nothing is refused", belief.none), ("the sender is refused", belief.sender))
    return tuple((name, share) for name, share in (*named, *rest) if share >= LEAST_SHARE)


def html_of(raw: bytes) -> str:
    """Return the HTML that a mail client would show; the text in a frame where there is none."""
    from html import escape

    mail = message_from_bytes(raw, policy=policy.compat32)
    kinds = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
    part = kinds.get("text/html") or kinds.get("text/plain")
    content = part.get_payload(decode=True) if part is not None else b""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return text if "text/html" in kinds else f"<pre>{escape(text)}</pre>"


def alike(raw: bytes, trial: TrialRecord) -> bytes:
    """Set the fields alike that every trial has of its own: token (VERP, Message-ID) and Date."""
    token = trial.token.encode()
    return _DATE.sub(rb"\1 (set alike)", raw.replace(token, b"0" * len(token)), count=1)


def _difference(pair: Pair, titles: Mapping[str, str], messages: Messages) -> Difference:
    from harness.campaign.compare import difference

    before, after = alike(messages(pair.parent.token), pair.parent), alike(messages(pair.child.token), pair.child)
    found = difference(before, after)
    hunks = f"{len(found.hunks)} hunk{'s' * (len(found.hunks) != 1)}, {found.changed} bytes"
    proof = (
        f"{hunks}; all other bytes identical. Compared with Date, Message-ID and token set alike; as sent: "
        f"sha256 {pair.parent.sha256} and {pair.child.sha256}."
    )
    return Difference(
        f"without {titles.get(pair.factor, pair.factor)} (accepted)",
        f"with it (refused, {pair.child.variant})",
        proof,
        _parts(found, before, after),
        pair.child.ask.seed,
    )


def _parts(found: Compared, before: bytes, after: bytes) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    parts: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    for change in found.headers:
        parts.append((f"header {change.name}", _one(change.before), _one(change.after)))
    if found.links_removed or found.links_added:
        parts.append(("links", found.links_removed, found.links_added))
    if found.parts_removed or found.parts_added:
        parts.append(("parts", found.parts_removed, found.parts_added))
    for name, lines in (("text", found.text_lines), ("HTML source", found.html_lines)):
        if lines:
            parts.append((name, _side(lines, "-"), _side(lines, "+")))
    for hunk in found.hunks[:MOST_HUNKS]:
        old = _around(before, hunk.a_start, hunk.a_end)
        new = _around(after, hunk.b_start, hunk.b_end)
        parts.append((f"raw bytes at {hunk.a_start:,}", old, new))
    if len(found.hunks) > MOST_HUNKS:
        parts.append((f"and {len(found.hunks) - MOST_HUNKS} more places", (), ()))
    return tuple(parts)


def _one(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _side(lines: tuple[str, ...], sign: str) -> tuple[str, ...]:
    return tuple(line[1:] for line in lines if line[:1] in (sign, " "))


def _around(raw: bytes, start: int, end: int) -> tuple[str, ...]:
    """Return what differs with a little of what stands around it, for people to find the place."""
    shown = raw[max(0, start - CONTEXT) : end + CONTEXT].decode("utf-8", "replace")
    return tuple(shown.splitlines())
