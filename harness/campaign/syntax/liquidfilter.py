"""Filters of Liquid and Django as Jinja2 writes them; a filter that would not come out the same is not here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Filter = Callable[[str, Sequence[str]], str]


class BadFilter(Exception):
    """A filter with arguments that it does not take."""


def _plain(form: str, least: int = 0, most: int | None = None) -> Filter:
    """Make a filter from a form in which {0} is the value and {1}, {2} its arguments."""
    most = least if most is None else most

    def write(value: str, arguments: Sequence[str]) -> str:
        if not least <= len(arguments) <= most:
            raise BadFilter(f"{least} arguments were expected, not {len(arguments)}")
        return form.format(value, *arguments)

    return write


def _truncate(value: str, arguments: Sequence[str]) -> str:
    """Cut text to a length that counts the ellipsis, within a word if need be."""
    if len(arguments) > 2:
        raise BadFilter("a length and an ending were expected")
    length, ending = (*arguments, *("50", '"..."')[len(arguments) :])
    return f"{value}|truncate({length}, true, {ending}, 0)"


def _default(value: str, arguments: Sequence[str]) -> str:
    fallback = arguments[0] if len(arguments) == 1 else '""'
    if len(arguments) > 1:
        raise BadFilter("one value was expected")
    return f"{value}|default({fallback}, true)"


def _lookup(value: str, arguments: Sequence[str]) -> str:
    """Klaviyo: person|lookup:'Favourite Colour'."""
    if len(arguments) != 1:
        raise BadFilter("one name was expected")
    return f"{value}[{arguments[0]}]"


# What number filters make is written without a needless fraction: 3 | times: 2 is 6, and 1.5 stays 1.5.
_NUMBER = '"%.12g"|format({0})'


def _number(form: str, least: int = 1, most: int | None = None) -> Filter:
    return _plain(_NUMBER.replace("{0}", form), least, most)


def _round(value: str, arguments: Sequence[str]) -> str:
    """Round half up, as people do; Python rounds half to even."""
    if not arguments:
        return f'({value}|float + 0.5)|round(0, "floor")|int'
    return _number("{0}|float|round({1})")(value, arguments)


FILTERS: dict[str, Filter] = {
    "default": _default,
    "upcase": _plain("{0}|upper"),
    "upper": _plain("{0}|upper"),
    "downcase": _plain("{0}|lower"),
    "lower": _plain("{0}|lower"),
    "capitalize": _plain("{0}|capitalize"),
    "title": _plain("{0}|title"),
    "escape": _plain("{0}|e"),
    "h": _plain("{0}|e"),
    "force_escape": _plain("{0}|e"),
    "safe": _plain("{0}"),
    "truncate": _truncate,
    "truncatechars": _plain('{0}|truncate({1}, true, "…", 0)', 1),
    "date": _plain("({0}.strftime({1}) if {0} is not string else {0})", 1),
    "size": _plain("{0}|length"),
    "length": _plain("{0}|length"),
    "first": _plain("{0}|first"),
    "last": _plain("{0}|last"),
    "append": _plain("({0} ~ {1})", 1),
    "prepend": _plain("({1} ~ {0})", 1),
    "replace": _plain("{0}|replace({1}, {2})", 2),
    "replace_first": _plain("{0}|replace({1}, {2}, 1)", 2),
    "remove": _plain('{0}|replace({1}, "")', 1),
    "cut": _plain('{0}|replace({1}, "")', 1),
    "strip": _plain("{0}|trim"),
    "trim": _plain("{0}|trim"),
    "lstrip": _plain("({0}|string).lstrip()"),
    "rstrip": _plain("({0}|string).rstrip()"),
    "strip_newlines": _plain('{0}|replace("\\n", "")'),
    "newline_to_br": _plain('{0}|replace("\\n", "<br />\\n")'),
    "split": _plain("({0}).split({1})", 1),
    "join": _plain("{0}|join({1})", 1),
    "reverse": _plain("{0}|reverse|list"),
    "uniq": _plain("{0}|unique|list"),
    "sort": _plain("{0}|sort"),
    "url_encode": _plain('{0}|urlencode|replace("/", "%2F")|replace("%20", "+")'),
    "urlencode": _plain("{0}|urlencode"),
    "floatformat": _plain('"%.{1}f"|format({0}|float)', 1),
    "lookup": _lookup,
    "plus": _number("{0}|float + {1}|float"),
    "minus": _number("{0}|float - {1}|float"),
    "times": _number("{0}|float * {1}|float"),
    "abs": _number("{0}|float|abs", 0),
    "round": _round,
    "floor": _plain('{0}|float|round(0, "floor")|int'),
    "ceil": _plain('{0}|float|round(0, "ceil")|int'),
    "truncatewords": _plain('({0}.split()[:{1}]|join(" ") ~ "..." if {0}.split()|length > {1} else {0})', 1),
}

# What Django's template language (Klaviyo) has by the same name, or instead.
DJANGO: dict[str, Filter] = {
    **FILTERS,
    "truncatewords": _plain('({0}.split()[:{1}]|join(" ") ~ " …" if {0}.split()|length > {1} else {0})', 1),
    "capfirst": _plain("(({0}|string)[:1]|upper ~ ({0}|string)[1:])"),
    "add": _number("{0}|float + {1}|float"),
}
