"""Which merge syntax a source is written in, by the tags that only one of them has."""

from __future__ import annotations

import re

from harness.campaign.syntax.draft import short
from harness.errors import ConfigError

_IN = r"\{[{%][^{}]{0,300}"  # somewhere in a tag
# Evidence of one family each; the first match is quoted in an error.
_FAMILIES = {
    "mailchimp": re.compile(r"\*\|[A-Za-z][^|\r\n]{0,100}\|\*"),
    "sfmc": re.compile(r"%%(?:=[^=]|\[|[A-Za-z_][\w .:-]{0,126}%%)"),
    "sendgrid": re.compile(r"\{\{\s*insert\s+\S|\{\{#\s*(?:equals|notEquals|greaterThan|lessThan)\s"),
    "mustache": re.compile(r"\{\{\{|\{\{~?[#/^&>@!]|\{\{~?\s*(?:else|this|\.)(?=[\s.}])|\{\{[^{}]{0,300}\.\./"),
    "braze": re.compile(_IN + r"\$\{"),
    "klaviyo": re.compile(
        r"\{%-?\s*(?:unsubscribe|manage_preferences|web_view|empty|verbatim)(?:_link)?\b"
        rf"|{_IN}(?:\|\s*lookup\s*:|forloop\.counter)"
    ),
    "liquid": re.compile(
        r"\{%-?\s*(?:assign|unless|elsif|capture|case|when|comment|increment|endunless)\b"
        rf"|{_IN}(?:forloop\.\w|\|\s*\w+\s*:|\|\s*(?:upcase|downcase|size|strip_html|newline_to_br)\b|\bcontains\s)"
    ),
    "hubspot": re.compile(r"personalization_token\s*\(|\{\{\s*site_settings\.\w|\{%-?\s*(?:module|widget|dnd_area)\b"),
    "jinja2": re.compile(
        r"\{%-?\s*(?:set|elif|macro|block|extends|include|import|filter)\b|\{#[^{}]{0,300}#\}"
        rf"|{_IN}(?:\bloop\.\w|\|\s*\w+\()|\{{%[^%]{{0,300}}\bis\s+(?:not\s+)?\w"
    ),
}
# What these families' fields are called; other syntaxes may use the words too, so they count where no other sign is.
_WEAK = {
    "klaviyo": re.compile(r"\{\{\s*(?:person|event|organization)(?:\.|\s*\|)"),
    "hubspot": re.compile(r"\{\{\s*contact\.\w"),
}
# Django writes `|default:'x'` without a space; Liquid's own tags and spaces tell Liquid.
_LIQUID = re.compile(
    r"\{%-?\s*(?:assign|unless|elsif|capture|case|when|increment)\b|forloop\.(?:index|length)|\bcontains\s"
    rf"|{_IN}\|\s*\w+\s*:\s"
)
# A family that takes in another: its own signs decide, and the other's are no contradiction.
_TAKES_IN = {
    "sendgrid": ("mustache",),
    "braze": ("liquid",),
    "klaviyo": ("liquid",),
    "hubspot": ("jinja2",),
}
_TAG = re.compile(r"\{\{|\{%")
_PLAIN = re.compile(r"\{\{([^{}]*)\}\}")


def detect(source: str, name: str) -> tuple[str, str]:
    """Name the syntax of a source, and say in a note what was assumed where its tags leave it open.

    Raises:
        ConfigError: tags of several syntaxes stand in it.
    """
    found = {}
    for family, sign in _FAMILIES.items():
        match = sign.search(source)
        if match:
            found[family] = match
    for family, sign in _WEAK.items():
        match = sign.search(source)
        if match and not _LIQUID.search(source) and not set(found) - {family, *_TAKES_IN[family]}:
            found.setdefault(family, match)
    if list(found) == ["liquid"] and not _LIQUID.search(source):
        return "klaviyo", ""
    for family, others in _TAKES_IN.items():
        if family in found:
            for other in others:
                found.pop(other, None)
    if len(found) > 1:
        quoted = [
            f"{family} (line {source.count(chr(10), 0, match.start()) + 1}: {short(match[0])})"
            for family, match in found.items()
        ]
        raise ConfigError(f"{name}: its tags are of {' and '.join(quoted)}; name the one to read with --syntax")
    if found:
        return next(iter(found)), ""
    return _by_manner(source, name)


def _by_manner(source: str, name: str) -> tuple[str, str]:
    """Tell Mustache from Jinja2 where there are only plain fields: the difference is that Mustache escapes."""
    fields = _PLAIN.findall(source)
    if not _TAG.search(source):
        return "none", ""
    odd = [field for field in fields if not re.fullmatch(r"\s*[^\W\d]\w*(?:\.[^\W\d]\w*)*\s*", field)]
    tight = [field for field in fields if field == field.strip()]
    if "{%" in source or (not odd and not tight):
        return "jinja2", f"{name} is read as Jinja2; if it is Liquid or Django's, say so with --syntax"
    return "mustache", (
        f"{name} is read as Mustache, which escapes values for HTML; if it is another syntax, say so with --syntax"
    )
