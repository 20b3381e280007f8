"""Expressions of Liquid and of Django's templates, written as Jinja2 expressions."""

from __future__ import annotations

import re
from enum import Enum

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.liquidfilter import DJANGO, FILTERS, BadFilter
from harness.campaign.syntax.spelling import is_number, member, optional, quote, top

_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"[^\"]*\"|'[^']*')|(?P<number>-?\d{1,15}(?:\.\d{1,15})?(?![\w-]))|(?P<sign>==|!=|<>|>=|<=|>|<|\.\.|[|:,()\[\].=])"
    r"|(?P<braze>\$\{[^{}]*\})|(?P<word>[^\s|:,()\[\].=<>!\"'${}]+\??))"
)
_SIGNS = {"==": "==", "!=": "!=", "<>": "!=", ">": ">", "<": "<", ">=": ">=", "<=": "<="}
_CONSTANTS = {"true": "true", "false": "false", "nil": "none", "null": "none", "none": "none", "None": "none",
              "True": "true", "False": "false"}  # fmt: skip
_LOOPS = {
    "index": "index", "index0": "index0", "rindex": "revindex", "rindex0": "revindex0", "first": "first",
    "last": "last",
    "length": "length", "counter": "index", "counter0": "index0", "revcounter": "revindex", "revcounter0": "revindex0",
}  # fmt: skip


LONGEST = 2000  # characters of an expression; no campaign comes near


class BadExpression(Exception):
    """An expression that can't be said in Jinja2; its text is the reason."""


class Dialect(Enum):
    """Whose rules decide truth and precedence."""

    LIQUID = "liquid"
    DJANGO = "django"


class Reader:
    """Reads expressions of one source. `own` maps variables of the template to their Jinja2 names."""

    def __init__(self, draft: Draft, dialect: Dialect):
        self.draft = draft
        self.dialect = dialect
        self.own: dict[str, str] = {}
        self._tokens: list[tuple[str, str]] = []
        self._at = 0

    def is_own(self, name: str) -> bool:
        """Tell whether a name is a variable of the template."""
        return name in self.own

    def own_name(self, name: str) -> str:
        """Return a variable's Jinja2 name."""
        return self.own[name]

    def output(self, text: str, lenient: bool = False) -> str:
        """Write an output: a value and its filters."""
        self._start(text)
        made = self._filtered(lenient)
        self._finish()
        return made

    def lenient(self, text: str) -> str:
        """Write a value for a comparison: a missing one counts as nothing."""
        self._start(text)
        made = self._filtered(lenient=True)
        self._finish()
        return made

    def alternatives(self, text: str) -> list[str]:
        """Split what stands behind `when` at commas and `or`."""
        return [part for part in re.split(r",|\s+or\s+", text) if part.strip()]

    def iterable(self, text: str) -> str:
        """Write what a loop runs over; nothing is an empty list."""
        self._start(text)
        if self._take("("):
            first = self._value()
            self._expect("..")
            last = self._value()
            self._expect(")")
            self._finish()
            return f"range({first}, {last} + 1)" if not is_number(last) else f"range({first}, {int(float(last)) + 1})"
        with self.draft.leniently():
            made = self._filtered(lenient=False)
        self._finish()
        return f"{made}|default([])"

    def condition(self, text: str) -> str:
        """Write the test of an if."""
        self._start(text)
        made = self._or() if self.dialect is Dialect.DJANGO else self._from_the_right()
        self._finish()
        return made

    # Conditions

    def _from_the_right(self) -> str:
        left = self._comparison()
        for word in ("and", "or"):
            if self._take(word):
                right = self._from_the_right()
                return f"{left} {word} ({right})" if " and " in right or " or " in right else f"{left} {word} {right}"
        return left

    def _or(self) -> str:
        made = self._and()
        while self._take("or"):
            made = f"{made} or {self._and()}"
        return made

    def _and(self) -> str:
        made = self._not()
        while self._take("and"):
            made = f"{made} and {self._not()}"
        return made

    def _not(self) -> str:
        return f"not ({self._not()})" if self._take("not") else self._comparison()

    def _comparison(self) -> str:
        before = self._at
        left = self._operand()
        kind, sign = self._peek()
        if kind == "sign" and sign in _SIGNS:
            self._at += 1
            return self._compared(left, _SIGNS[sign])
        if sign in ("contains", "in") or (sign == "not" and self._peek(1)[1] == "in"):
            return self._contained(left, sign)
        self._at = before
        return self._truth()

    def _contained(self, left: str, word: str) -> str:
        self._at += 2 if word == "not" else 1
        right = self._operand()
        if word == "contains":
            left, right = right, left
        return f"{left} {'not ' if word == 'not' else ''}in ({right} or [])"

    def _compared(self, left: str, sign: str) -> str:
        if self._peek()[1] in ("blank", "empty"):
            self._at += 1
            return f"not {left}" if sign == "==" else left
        right = self._operand()
        if sign not in ("==", "!="):
            # Merge rows from a CSV hold text: a number is compared as one, and nothing is less than all.
            left, right = _numeric(left), _numeric(right)
        return f"{left} {sign} {right}"

    def _truth(self) -> str:
        """Write a value as a test; in Liquid an empty text is true."""
        kind, text = self._peek()
        value = self._operand()
        if (
            self.dialect is Dialect.DJANGO
            or kind in ("string", "number")
            or text in _CONSTANTS
            or value.startswith("loop.")
        ):
            return value
        return f"{value} is not none and {value} is not false"

    def _operand(self) -> str:
        if self.dialect is Dialect.DJANGO:
            return self._filtered(lenient=True)
        return self._value(lenient=True)

    # Values

    def _filtered(self, lenient: bool) -> str:
        made = self._value(lenient)
        while self._take("|"):
            name = self._next("word")
            arguments: list[str] = []
            if self._take(":"):
                arguments.append(self._argument())
                while self._take(","):
                    arguments.append(self._argument())
            made = self._filter(name, made, arguments)
        return made

    def _argument(self) -> str:
        if self._peek(1)[1] == ":" and self._peek()[0] == "word":
            raise BadExpression(f"a named argument ({self._peek()[1]})")
        return self._value()

    def _filter(self, name: str, value: str, arguments: list[str]) -> str:
        if name == "date":
            self.draft.note(
                f"{self.draft.name}: dates are shown as the merge data write them; only a YAML date is formatted"
            )
        try:
            return (DJANGO if self.dialect is Dialect.DJANGO else FILTERS)[name](value, arguments)
        except KeyError:
            raise BadExpression(f"there is no way to say the filter {name!r} in Jinja2") from None
        except BadFilter as error:
            raise BadExpression(f"filter {name!r}: {error}") from None

    def _value(self, lenient: bool = False) -> str:
        kind, text = self._peek()
        if kind in ("string", "number"):
            self._at += 1
            return quote(text[1:-1]) if kind == "string" else text
        if kind == "word" and text in _CONSTANTS and self._peek(1)[1] not in (".", "["):
            self._at += 1
            return _CONSTANTS[text]
        parts = self._path()
        head = parts[0]
        if head == "forloop" and len(parts) == 2 and parts[1] in _LOOPS:
            return f"loop.{_LOOPS[parts[1]]}"
        if head in ("forloop", "tablerowloop", "content_blocks"):
            raise BadExpression(f"there is no {'.'.join(parts)} in Jinja2")
        spared = lenient or self.draft.lenient or self._peek(1)[1] == "default"
        if head not in self.own:
            self.draft.field(".".join(parts), needed=not spared)
        base = self.own.get(head) or top(head)
        made = optional(base, parts[1:], head in self.own) if spared else member(base, parts[1:])
        return f"{made}|default(none)" if lenient and self._peek()[1] != "|" else made

    def _path(self) -> list[str]:
        kind, text = self._peek()
        if kind not in ("word", "braze"):
            raise BadExpression(f"a name was expected before {text!r}" if text else "a name is missing")
        self._at += 1
        parts = _braze(text) if kind == "braze" else [text]
        while True:
            if self._take("."):
                kind, text = self._peek()
                if kind not in ("word", "number", "braze"):
                    raise BadExpression("a name was expected behind the dot")
                self._at += 1
                parts += _braze(text) if kind == "braze" else text.split(".")
            elif self._take("["):
                kind, text = self._peek()
                if kind not in ("string", "number"):
                    raise BadExpression("a name in quotes was expected in [ ]")
                self._at += 1
                parts.append(text[1:-1] if kind == "string" else text)
                self._expect("]")
            else:
                return parts

    # Tokens

    def _start(self, text: str) -> None:
        self._tokens, self._at = [], 0
        at = 0
        if len(text) > LONGEST:
            raise BadExpression(f"it has more than {LONGEST} characters")
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found or found.end() == at:
                raise BadExpression(f"{text[at : at + 10].strip()!r} makes no sense there")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            at = found.end()

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ("", "")

    def _take(self, text: str) -> bool:
        kind, found = self._peek()
        if found != text or kind == "string":
            return False
        self._at += 1
        return True

    def _next(self, kind: str) -> str:
        found, text = self._peek()
        if found != kind:
            raise BadExpression(f"{text!r} stands where a {kind} was expected")
        self._at += 1
        return text

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise BadExpression(f"{text!r} was expected")

    def _finish(self) -> None:
        if self._at < len(self._tokens):
            raise BadExpression(f"{self._peek()[1]!r} makes no sense there")


def _braze(text: str) -> list[str]:
    return [text[2:-1].strip()]


def _numeric(value: str) -> str:
    if is_number(value):
        return value
    return f"{value.replace('|default(none)', '|default(0)')}|float"
