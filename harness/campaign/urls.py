"""URLs as mail has them: what they are called, where they lead, and which of them only redirect."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from harness.campaign.level import ATOM, Level, Merge
from harness.campaign.words import word_set

# Bare addresses in text. What ends a sentence, or closes a bracket that was opened before, is not part of them.
BARE = re.compile(
    r"(?:https?://|www\.(?=[\w-]+\.))[^\s<>\"'`|^\[\]{}]{1,4000}|mailto:[^\s<>\"'()@]{1,300}@[^\s<>\"'()]{1,4000}",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"(?:https?://\S+\.\S|mailto:\S+@)\S*")
_TRAILING = ".,;:!?*_"
_TARGETS = word_set(
    "url u r l to q redirect redirecturl redirect_url target targeturl target_url dest destination link goto out href"
)
_SHARERS = re.compile(
    r"(?:^|\.)(?:facebook|twitter|x|linkedin|pinterest|reddit|tumblr|whatsapp|t)\.[a-z]+$|^(?:share|wa)\."
)
_SHARING = re.compile(r"/(?:share|sharer|intent|login|signin|oauth|authorize|auth)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Destination:
    """What a link's URL is: the id that it goes by, and how it gets there."""

    name: str  # the factor's name: where it leads, merge fields as {field}
    host: str  # the link host, lower case; of a mailto: the address's domain
    tracker: str | None = None  # the host that redirects
    target: str = ""  # the direct URL that stands in plainly, merge fields as {field}
    target_form: str = ""


def bare_end(text: str, start: int, end: int) -> int:
    """Cut from a bare URL what belongs to the sentence around it."""
    surplus = text.count(")", start, end) - text.count("(", start, end)
    while end > start:
        last = text[end - 1]
        if last == ")" and surplus > 0:
            surplus -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return end


def is_address(value: str) -> bool:
    """Tell a value that is a URL as a whole."""
    return _WHOLE.fullmatch(value) is not None


def addresses(level: Level, start: int, end: int) -> list[tuple[int, int]]:
    """Find the bare URLs of a span: written out, or brought whole by a merge field."""
    text = level.text
    found: list[tuple[int, int]] = []
    for match in BARE.finditer(text, start, end):
        stop = bare_end(text, *match.span())
        if is_link(text[match.start() : stop]):
            found.append((match.start(), stop))
    at = text.find(ATOM, start, end)
    while at >= 0:
        atom = level.atoms.get(at)
        if isinstance(atom, Merge) and is_address(atom.production):
            stop = at + 1
            while stop < end and not text[stop].isspace() and text[stop] not in "<>()[]\"'":
                stop += 1
            found.append((at, max(at + 1, bare_end(text, at, stop))))
        at = text.find(ATOM, at + 1, end)
    whole: list[tuple[int, int]] = []
    for first, stop in sorted(found):
        if not whole or first >= whole[-1][1]:
            whole.append((first, stop))
    return whole


def is_link(url: str) -> bool:
    """Tell what leads somewhere from an anchor in the page, a script or an empty value."""
    text = url.strip().lower()
    return (
        bool(text)
        and not text.startswith(("#", "javascript:", "data:", "cid:"))
        and text not in ("/", "http://", "https://")
    )


def host_of(url: str) -> str:
    """Return the host that a URL leads to, lower case, without user and port."""
    text = html.unescape(url.strip())
    if text.lower().startswith("mailto:"):
        return unquote(text[7:].partition("?")[0]).rpartition("@")[2].lower()
    if text.lower().startswith("www."):
        text = "http://" + text
    try:
        return (urlsplit(text if "//" in text else "//" + text).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _tracked(form: str, value: str, redirects: Mapping[str, str]) -> str | None:
    """Find where a tracked URL leads: said by the campaign, or carried in its own query."""
    for key in (form, value, form.partition("?")[0], value.partition("?")[0]):
        if key in redirects:
            return redirects[key]
    host = host_of(form)
    if _SHARERS.search(host) or _SHARING.search(form.partition("?")[0]) or "?" not in form:
        return None
    for pair in re.split("[&;]", form.partition("?")[2].partition("#")[0]):
        name, _, target = pair.partition("=")
        plain = unquote(target)
        if name.lower() in _TARGETS and re.match(r"https?://[^/\s]+\.[^/\s]+", plain) and host_of(plain) != host:
            return plain
    return None


def normal_redirects(redirects: Mapping[str, str]) -> dict[str, str]:
    """Read the campaign's redirects with merge tags written as `{field}`."""
    tidy = re.compile(r"\{\{\s*([\w.-]+)[^{}]*\}\}")
    return {tidy.sub(r"{\1}", key): tidy.sub(r"{\1}", value) for key, value in redirects.items()}


def destination(form: str, value: str, redirects: Mapping[str, str]) -> Destination:
    """Name a link by where it leads."""
    form, value = html.unescape(form.strip()), html.unescape(value.strip())
    target = _tracked(form, value, redirects)
    if target is not None:
        return Destination(target, host_of(target), host_of(value), target)
    name = form
    host = host_of(value)
    if re.fullmatch(r"\{[^{}]*\}", form) and host and not value.lower().startswith("mailto:"):
        name = f"{urlsplit(value).scheme or 'http'}://{host}/{form}"  # all of it is a field: say where it leads
    return Destination(name, host)
