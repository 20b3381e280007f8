"""Mailchimp merge tags: `*|FNAME|*`, `*|IF:X=value|*`, `*|TITLE:CITY|*`; no value is escaped.

Source: mailchimp.com/help/all-the-merge-tags-cheat-sheet, /help/use-conditional-merge-tag-blocks.
"""

from __future__ import annotations

import re

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.spelling import is_number, quote, top

_TAG = re.compile(r"\*\|([^|\r\n]{1,200})\|\*")
_CONDITION = re.compile(r"([^=!<>]{1,100}?)\s*(!=|>=|<=|==|=|>|<)\s*(.{0,100})")
_FORMS = {"UPPER": "|upper", "LOWER": "|lower", "TITLE": "|title", "URL": "|urlencode", "HTML": ""}
# Whole families of tags that stand for content which only Mailchimp can make.
_THEIRS = {
    "RSS": "a feed", "RSSITEM": "a feed", "RSSITEMS": "a feed", "FEEDBLOCK": "a feed", "FEEDITEM": "a feed",
    "FEEDITEMS": "a feed", "END": "an end without a beginning", "PRODUCT_RECOMMENDATIONS": "a product block",
    "CART": "a cart", "SURVEY": "a survey", "POLL": "a poll", "PROMO_CODE": "a promotion",
    "INTERESTED": "a group condition", "TRANSLATE": "a translation",
    "DATE": "the day of sending, which would differ between messages",
}  # fmt: skip
_ARCHIVE = "ARCHIVE_PAGE"


def convert_mailchimp(draft: Draft) -> None:
    """Convert the whole source."""
    blocks: list[tuple[int, str]] = []
    done = 0
    for tag in _TAG.finditer(draft.source):
        draft.text(draft.source[done : tag.start()])
        _tag(draft, tag, blocks)
        done = tag.end()
    draft.text(draft.source[done:])
    if blocks:
        raise draft.fail(*blocks[-1], "it is never closed by *|END:IF|*")


def _tag(draft: Draft, tag: re.Match[str], blocks: list[tuple[int, str]]) -> None:
    kind, colon, rest = tag[1].partition(":")
    kind = kind.strip().upper()
    rest = rest.strip()
    if kind in ("IF", "IFNOT") and colon:
        blocks.append((tag.start(), tag[0]))
        draft.code(f"{{% if {_condition(draft, rest, kind == 'IFNOT')} %}}")
    elif kind in ("ELSEIF", "ELSE", "END") and (kind != "END" or rest.upper().startswith(("IF", "INTERESTED"))):
        _branch(draft, tag, kind, rest, blocks)
    elif kind in _FORMS and colon:
        draft.field(rest)
        draft.code(f"{{{{ {top(rest)}{_FORMS[kind]} }}}}")
    elif kind in _THEIRS and (colon or kind not in ("DATE", "CART")):
        draft.unknown(tag.start(), tag[0], f"it stands for {_THEIRS[kind]}")
    else:
        name = tag[1].strip()
        draft.field(name)
        draft.code(f"{{{{ {top(name)} }}}}")


def _branch(draft: Draft, tag: re.Match[str], kind: str, rest: str, blocks: list[tuple[int, str]]) -> None:
    if not blocks:
        draft.unknown(tag.start(), tag[0], "no *|IF:…|* stands before it")
    elif kind == "END":
        blocks.pop()
        draft.code("{% endif %}")
    elif kind == "ELSE" and not rest:
        draft.code("{% else %}")
    else:
        draft.code(f"{{% elif {_condition(draft, rest, False)} %}}")


def _condition(draft: Draft, text: str, negative: bool) -> str:
    compared = _CONDITION.fullmatch(text)
    name = (compared[1] if compared else text).strip()
    if name.upper() == _ARCHIVE:
        draft.note(f"{_ARCHIVE} is true on Mailchimp's web page of a campaign only; a message leaves the field out")
    else:
        draft.field(name, needed=False)
    if not compared:
        value = f"{top(name)}|default(none)"
        return f"not {value}" if negative else value
    operator, wanted = compared[2], compared[3].strip()
    if len(wanted) > 1 and wanted[0] == wanted[-1] and wanted[0] in "\"'":
        wanted = wanted[1:-1]
    if operator in ("=", "==", "!="):
        sign = "==" if (operator != "!=") is not negative else "!="
        return f'{top(name)}|default("")|string {sign} {quote(wanted)}'
    test = f"{top(name)}|default(0)|float {operator} {wanted if is_number(wanted) else quote(wanted) + '|float'}"
    return f"not {test}" if negative else test
