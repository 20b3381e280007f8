"""HubSpot's HubL: a dialect of Jinja2 with other operators, personalisation tokens and modules."""

from __future__ import annotations

import re

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.spelling import optional, quote, top

_TAG = re.compile(r"\{\{|\{%|\{#")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_STRING = re.compile(r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')")
_TOKEN = re.compile(r"personalization_token\(\s*(['\"])([\w.\- ]+)\1\s*(?:,\s*(['\"])(.*?)\3\s*)?\)")
_SAME = frozenset(
    ["if", "elif", "else", "endif", "for", "endfor", "set", "endset", "raw", "endraw", "macro", "endmacro", "filter",
     "endfilter", "call", "endcall"]
)  # fmt: skip
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.\w+)*")
_WORDS = frozenset(["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "loop", "defined"])


def convert_hubl(draft: Draft) -> None:
    """Convert the whole source: what HubL shares with Jinja2 stays as it is."""
    source = draft.source
    at = 0
    while found := _TAG.search(source, at):
        draft.text(source[at : found.start()])
        start, closing = found.start(), _CLOSING[found[0]]
        end = source.find(closing, start + 2)
        if end < 0:
            raise draft.fail(start, source[start : start + 40], f"no {closing} ends it")
        end += 2
        raw = source[start:end]
        body = raw[2:-2].strip("-").strip()
        word = body.split(None, 1)[0] if body else ""
        if found[0] == "{%" and word not in _SAME and word != "unless":
            draft.unknown(start, raw, f"HubSpot makes {word!r} itself" if word else "the tag is empty")
        elif found[0] != "{#":
            draft.code(_expression(draft, raw, found[0]))
        at = end
    draft.text(source[at:])


def _expression(draft: Draft, raw: str, opening: str) -> str:
    """Rewrite what Jinja2 spells otherwise, outside of strings."""
    raw = _TOKEN.sub(lambda match: _token(draft, match), raw)
    parts = _STRING.split(raw)
    for number in range(0, len(parts), 2):
        part = parts[number].replace("&&", " and ").replace("||", " or ")
        parts[number] = re.sub(r"!(?!=)", " not ", part)
        if opening == "{{":
            for name in _NAME.findall(parts[number].partition("|")[0]):
                if name not in _WORDS:
                    draft.field(name)
    return "".join(parts)


def _token(draft: Draft, match: re.Match[str]) -> str:
    name = match[2].strip()
    draft.field(name, needed=False)
    head, *rest = name.split(".")
    return f"{optional(top(head), rest)}|default({quote(match[4] or '')}, true)"
