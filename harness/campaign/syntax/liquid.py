"""Liquid as Shopify defines it, with what Braze and Klaviyo make of it, tag by tag; no value is escaped.

Liquid: nil and false alone are falsy, `and`/`or` are read from the right (shopify.github.io/liquid/basics). Klaviyo is
Django's template language: empty values are falsy, `and` binds tighter, filters may stand in conditions.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.liquidexpr import BadExpression, Dialect, Reader
from harness.campaign.syntax.spelling import fresh, is_name

_ASSIGN = re.compile(r"([\w-]+)\s*=\s*(.+)", re.DOTALL)
_FOR = re.compile(r"([\w-]+)(?:\s*,\s*([\w-]+))?\s+in\s+(.+)", re.DOTALL)
_LIMITS = re.compile(r"\s+(?:(limit|offset)\s*:\s*(\d{1,6}|\w+)|(reversed))\s*$")
_ENDS = {
    "endif": "if", "endunless": "unless", "endfor": "for", "endcase": "case", "endcapture": "capture",
    "endwith": "with",
}  # fmt: skip
# Klaviyo's tags for links of its own: the text that stands for the link if none is given; None: the bare address.
_LINKS = {
    "unsubscribe": "Unsubscribe", "unsubscribe_link": None, "manage_preferences": "Manage Preferences",
    "manage_preferences_link": None, "web_view": "View in browser", "web_view_link": None,
}  # fmt: skip
MAX_DEPTH = 50


def convert_liquid(draft: Draft) -> None:
    """Convert Liquid, Braze's `${…}` included."""
    _Writer(draft, Dialect.LIQUID).write()


def convert_klaviyo(draft: Draft) -> None:
    """Convert Klaviyo's template language."""
    _Writer(draft, Dialect.DJANGO).write()


class _Open:
    """An open block: its word, where it began, and the names that were its template's own before it."""

    def __init__(self, word: str, at: int, tag: str, own: dict[str, str], subject: str = ""):
        self.word, self.at, self.tag, self.own, self.subject = word, at, tag, own, subject
        self.begun = False


class _Writer:
    def __init__(self, draft: Draft, dialect: Dialect):
        self.draft = draft
        self.reader = Reader(draft, dialect)
        self.open: list[_Open] = []
        self.at = 0
        self.raw = ""
        self.dash = ("", "")
        self.tags: dict[str, Callable[[str], bool]] = {
            "if": self._if, "unless": self._if, "elsif": self._elif, "elif": self._elif, "else": self._else,
            "empty": self._else, "case": self._case, "when": self._when, "for": self._for, "assign": self._assign,
            "set": self._assign, "capture": self._capture, "with": self._with, "load": lambda _: True,
        }  # fmt: skip

    def write(self) -> None:
        """Convert the whole source."""
        source, draft = self.draft.source, self.draft
        at = 0
        while (start := _next(source, at)) >= 0:
            if not (self.open and self.open[-1].word == "case" and not self.open[-1].begun):
                draft.text(source[at:start])  # what stands between a case and its first when is not shown
            closing = "%}" if source[start + 1] == "%" else "}}"
            end = _end(source, start + 2, closing)
            if end < 0:
                raise draft.fail(start, source[start : start + 40], f"no {closing} ends it")
            self.at, self.raw = start, source[start:end]
            body = self.raw[2:-2]
            self.dash = ("-" if body.startswith("-") else "", "-" if body.endswith("-") else "")
            body = body.removeprefix("-").removesuffix("-").strip()
            at = self._output(body, end) if closing == "}}" else self._tag(body, end)
        draft.text(source[at:])
        if self.open:
            raise draft.fail(self.open[-1].at, self.open[-1].tag, "the block is never closed")

    def _put(self, code: str) -> None:
        left, right = self.dash
        self.draft.code("{%" + left + f" {code} " + right + "%}")

    def _unknown(self, why: str) -> None:
        self.draft.unknown(self.at, self.raw, why)

    def _output(self, body: str, end: int) -> int:
        try:
            value = self.reader.output(body)
        except BadExpression as error:
            self._unknown(str(error))
        else:
            left, right = self.dash
            self.draft.code("{{" + left + f" {value} " + right + "}}")
        return end

    def _tag(self, body: str, end: int) -> int:
        word, _, rest = body.partition(" ") if " " in body else (body, "", "")
        word, rest = (word.split() or [""])[0], (body[len(word) :]).strip()
        if word in ("comment", "raw", "verbatim"):
            return self._skipped(word, end)
        try:
            if word in _ENDS:
                self._end(word)
            elif word in _LINKS and not self.reader.is_own(word):
                self._link(word, rest)
            elif word in self.tags and self.tags[word](rest):
                pass
            else:
                self._unknown(f"there is no way to say {word!r} in Jinja2" if word else "the tag is empty")
        except BadExpression as error:
            self._unknown(str(error))
        return end

    def _skipped(self, word: str, end: int) -> int:
        """Drop a comment; write what stands between raw and endraw as it is."""
        found = re.compile(r"\{%-?\s*end" + word + r"\s*-?%\}").search(self.draft.source, end)
        if not found:
            raise self.draft.fail(self.at, self.raw, "the block is never closed")
        if word != "comment":
            self.draft.text(self.draft.source[end : found.start()])
        return found.end()

    def _link(self, word: str, rest: str) -> None:
        text = _LINKS[word]
        name = word if text is None else f"{word}_link"
        self.draft.field(name)
        if text is None:
            self.draft.code(f"{{{{ {name} }}}}")
            return
        given = re.match(r"\s*(['\"])(.*?)\1", rest)
        self.draft.code(f'<a href="{{{{ {name} }}}}">')
        self.draft.text(given[2] if given else text)
        self.draft.code("</a>")

    # Blocks

    def _begin(self, word: str, subject: str = "") -> None:
        if len(self.open) >= MAX_DEPTH:
            raise self.draft.fail(self.at, self.raw, f"blocks are nested more than {MAX_DEPTH} deep")
        self.open.append(_Open(word, self.at, self.raw, dict(self.reader.own), subject))

    def _end(self, word: str) -> None:
        if not self.open or self.open[-1].word != _ENDS[word]:
            opened = f"{self.open[-1].tag} is open" if self.open else "no block is open here"
            raise self.draft.fail(self.at, self.raw, opened)
        block = self.open.pop()
        if block.word in ("for", "with"):
            self.reader.own = block.own
        if block.word == "capture":
            self._put("endset")
            self.reader.own = {**block.own, block.subject: self.reader.own_name(block.subject)}
        elif block.word != "case" or block.begun:
            self._put({"unless": "endif", "case": "endif"}.get(block.word, word))

    def _if(self, rest: str) -> bool:
        word = self.raw.strip("{%- \t\r\n").split()[0]
        test = self.reader.condition(rest)
        self._begin(word)
        self._put(f"if not ({test})" if word == "unless" else f"if {test}")
        return True

    def _elif(self, rest: str) -> bool:
        if not self.open or self.open[-1].word not in ("if", "unless"):
            raise self.draft.fail(self.at, self.raw, "no if is open here")
        self._put(f"elif {self.reader.condition(rest)}")
        return True

    def _else(self, rest: str) -> bool:
        if not self.open or rest or self.open[-1].word in ("capture", "with"):
            raise self.draft.fail(self.at, self.raw, "no if, case or for is open here")
        if self.open[-1].word == "case" and not self.open[-1].begun:
            self._put("if true")
            self.open[-1].begun = True
        else:
            self._put("else")
        return True

    def _case(self, rest: str) -> bool:
        subject = self.reader.lenient(rest)
        self._begin("case", subject)
        return True

    def _when(self, rest: str) -> bool:
        if not self.open or self.open[-1].word != "case":
            raise self.draft.fail(self.at, self.raw, "no case is open here")
        block = self.open[-1]
        values = [self.reader.lenient(value) for value in self.reader.alternatives(rest)]
        test = f"{block.subject} == {values[0]}" if len(values) == 1 else f"{block.subject} in ({', '.join(values)})"
        self._put(f"{'elif' if block.begun else 'if'} {test}")
        block.begun = True
        return True

    def _for(self, rest: str) -> bool:
        limits: dict[str, str] = {}
        while found := _LIMITS.search(rest):
            limits[found[1] or found[3]] = found[2] or ""
            rest = rest[: found.start()]
        parts = _FOR.fullmatch(rest.strip())
        if not parts:
            raise BadExpression("a loop says `item in items`")
        over = self.reader.iterable(parts[3])
        self._begin("for")
        start = limits.get("offset", "")
        if start or "limit" in limits:
            stop = f"{start or 0} + {limits['limit']}" if "limit" in limits else ""
            stop = (
                str(int(start or 0) + int(limits["limit"]))
                if (start + limits.get("limit", "")).isdigit() and stop
                else stop
            )
            over = f"({over})[{start}:{stop}]"
        targets = [self._make_own(name) for name in parts.group(1, 2) if name]
        self._put(f"for {', '.join(targets)} in {over}{'|reverse' if 'reversed' in limits else ''}")
        return True

    def _assign(self, rest: str) -> bool:
        parts = _ASSIGN.fullmatch(rest)
        if not parts:
            return False
        if any(block.word == "for" for block in self.open) and self.reader.is_own(parts[1]):
            raise BadExpression("a loop that changes a variable from outside of it keeps the change; Jinja2's does not")
        value = self.reader.output(parts[2], lenient=True)
        self._put(f"set {self._make_own(parts[1])} = {value}")
        return True

    def _capture(self, rest: str) -> bool:
        name = rest.strip("'\"")
        if not re.fullmatch(r"[\w-]+", name):
            return False
        self._begin("capture", name)
        self._put(f"set {self._make_own(name)}")
        return True

    def _with(self, rest: str) -> bool:
        """Django's with: `a=b c=d`, or the older `b as a`."""
        older = re.fullmatch(r"(.+)\s+as\s+(\w+)", rest)
        pairs = [(older[2], older[1])] if older else re.findall(r"(\w+)=(\S+)", rest)
        if not pairs:
            return False
        values = [self.reader.output(value, lenient=True) for _, value in pairs]
        self._begin("with")
        sets = [f"{self._make_own(name)} = {value}" for (name, _), value in zip(pairs, values, strict=True)]
        self._put("with " + ", ".join(sets))
        return True

    def _make_own(self, name: str) -> str:
        """Give a variable of the template a name that Jinja2 takes."""
        known = self.reader.own.get(name)
        made = known or (name if is_name(name) else fresh(name, self.draft.source))
        self.reader.own[name] = made
        return made


def _next(source: str, at: int) -> int:
    """Find the next tag."""
    found = [place for place in (source.find("{{", at), source.find("{%", at)) if place >= 0]
    return min(found) if found else -1


def _end(source: str, at: int, closing: str) -> int:
    """Find the end of a tag; `${…}}}` closes Braze's name first."""
    end = source.find(closing, at)
    if end < 0:
        return -1
    while (
        closing == "}}" and source.startswith("}", end + 2) and source.count("${", at, end) > source.count("}", at, end)
    ):
        end += 1
    return end + 2
