"""AMPscript's statements and expressions, written as Jinja2: SET, VAR, IF, and functions that only read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.spelling import fresh, is_number, quote, top

_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*')|(?P<number>-?\d{1,15}(?:\.\d{1,15})?)|(?P<variable>@\w+)|"
    r"(?P<bracket>\[[^\]]*\])|(?P<sign>==|!=|>=|<=|>|<|[(),=])|(?P<word>[A-Za-z_]\w*))"
)
_SIGNS = ("==", "!=", ">=", "<=", ">", "<")
MAX_DEPTH = 50
LONGEST = 20_000  # characters of a script block


class BadScript(Exception):
    """A script that can't be said in Jinja2; its text is the reason."""


def _same(form: str, count: int) -> Callable[[Sequence[str]], str]:
    def write(values: Sequence[str]) -> str:
        if len(values) != count:
            raise BadScript(f"{count} arguments were expected")
        return form.format(*values)

    return write


_FUNCTIONS: dict[str, Callable[[Sequence[str]], str]] = {
    "v": _same("{0}", 1),
    "uppercase": _same("{0}|upper", 1),
    "lowercase": _same("{0}|lower", 1),
    "propercase": _same("{0}|title", 1),
    "trim": _same("{0}|trim", 1),
    "length": _same("{0}|length", 1),
    "replace": _same("{0}|replace({1}, {2})", 3),
    "concat": lambda values: "(" + " ~ ".join(values) + ")",
    "iif": _same("({1} if {0} else {2})", 3),
    "iff": _same("({1} if {0} else {2})", 3),
    "empty": _same("not {0}", 1),
    "isnull": _same("not {0}", 1),
    "isnulldefault": _same("({0} or {1})", 2),
    "redirectto": _same("{0}", 1),
    "urlencode": _same("{0}|urlencode", 1),
}


class Script:
    """The scripts of one source, in order; variables and open IFs go on from one block to the next."""

    def __init__(self, draft: Draft):
        self.draft = draft
        self.open: list[tuple[int, str]] = []
        self._variables: dict[str, str] = {}
        self._attributes: dict[str, str] = {}
        self._tokens: list[tuple[str, str]] = []
        self._at = 0

    def attribute(self, name: str) -> str:
        """Return the spelling of an attribute's name, and remember it as a field."""
        known = self._attributes.setdefault(name.lower(), name)
        self.draft.field(known)
        return known

    def inline(self, text: str) -> str:
        """Write `%%= … =%%`."""
        self._start(text)
        made = self._value(lenient=False)
        self._finish()
        return made

    def block(self, text: str, at: int) -> list[str]:
        """Write the statements of `%%[ … ]%%`."""
        self._start(re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL))
        made: list[str] = []
        while self._at < len(self._tokens):
            made += self._statement(at)
        return made

    def _statement(self, at: int) -> list[str]:
        word = self._word().upper()
        if word == "VAR":
            return self._declared()
        if word == "SET":
            kind, name = self._next()
            if kind != "variable" or self._next()[1] != "=":
                raise BadScript("SET @name = value was expected")
            value = self._value(lenient=True)
            return [f"{{% set {self._variable(name)} = {value} %}}"]
        if word == "IF":
            if len(self.open) >= MAX_DEPTH:
                raise BadScript(f"IFs are nested more than {MAX_DEPTH} deep")
            test = self._test()
            self.open.append((at, f"IF {test}"))
            return [f"{{% if {test} %}}"]
        if word not in ("ELSEIF", "ELSE", "ENDIF"):
            raise BadScript(f"{word} does more than read" if word not in ("FOR", "NEXT") else "loops are not converted")
        if not self.open:
            raise BadScript(f"{word} without IF")
        if word == "ELSEIF":
            return [f"{{% elif {self._test()} %}}"]
        if word == "ENDIF":
            self.open.pop()
            return ["{% endif %}"]
        return ["{% else %}"]

    def _declared(self) -> list[str]:
        made = []
        while True:
            kind, name = self._next()
            if kind != "variable":
                raise BadScript("VAR @name was expected")
            made.append(f'{{% set {self._variable(name)} = "" %}}')
            if self._peek()[1] != ",":
                return made
            self._at += 1

    def _test(self) -> str:
        made = self._condition()
        if self._word().upper() != "THEN":
            raise BadScript("THEN was expected")
        return made

    # Expressions

    def _condition(self) -> str:
        made = self._part()
        while self._peek()[1].upper() in ("AND", "OR") and self._peek()[0] == "word":
            word = self._word().lower()
            made = f"{made} {word} {self._part()}"
        return made

    def _part(self) -> str:
        if self._peek()[1].upper() == "NOT" and self._peek()[0] == "word":
            self._at += 1
            return f"not ({self._part()})"
        if self._peek() == ("sign", "("):
            self._at += 1
            made = f"({self._condition()})"
            self._close()
        else:
            made = self._value(lenient=True)
        kind, sign = self._peek()
        if kind != "sign" or sign not in _SIGNS:
            return made
        self._at += 1
        return _compared(made, sign, self._value(lenient=True))

    def _value(self, lenient: bool) -> str:
        kind, text = self._next()
        match kind:
            case "string":
                return quote(text[1:-1].replace(text[0] * 2, text[0]))
            case "number":
                return text
            case "variable":
                return self._variable(text)
            case "bracket":
                return self._field(text[1:-1].strip(), lenient)
            case "word":
                if self._peek() == ("sign", "("):
                    return self._call(text, lenient)
                return text.lower() if text.lower() in ("true", "false") else self._field(text, lenient)
        raise BadScript(f"{text!r} makes no sense there" if text else "a value is missing")

    def _call(self, name: str, lenient: bool) -> str:
        self._at += 1
        key = name.lower()
        if key in ("attributevalue", "_attributevalue"):
            kind, text = self._next()
            if kind != "string":
                raise BadScript("AttributeValue takes a name in quotes")
            self._close()
            return self._field(text[1:-1].strip(), lenient=True)
        if key not in _FUNCTIONS:
            raise BadScript(f"the function {name} is not one that only reads the recipient's row")
        values: list[str] = []
        while self._peek() != ("sign", ")"):
            asks = key in ("iif", "iff", "empty", "isnull", "isnulldefault")
            values.append(self._condition() if asks and not values else self._value(lenient or asks))
            if self._peek() == ("sign", ","):
                self._at += 1
            elif self._peek() != ("sign", ")"):
                raise BadScript("a closing bracket is missing")
        self._close()
        return _FUNCTIONS[key](values)

    def _field(self, name: str, lenient: bool) -> str:
        with self.draft.leniently() if lenient else nullcontext():
            value = top(self.attribute(name))
        return f'{value}|default("")' if lenient else value

    def _variable(self, name: str) -> str:
        key = name.lower()
        if key not in self._variables:
            self._variables[key] = fresh("var_" + name[1:], self.draft.source)
        return self._variables[key]

    # Tokens

    def _start(self, text: str) -> None:
        self._tokens, self._at = [], 0
        if len(text) > LONGEST:
            raise BadScript(f"it has more than {LONGEST:,} characters")
        text, at = text.rstrip(), 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise BadScript(f"{text[at : at + 12].strip()!r} makes no sense there")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            at = found.end()

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise BadScript(f"{text!r} stands where a statement was expected" if text else "THEN was expected")
        return text

    def _close(self) -> None:
        if self._next() != ("sign", ")"):
            raise BadScript("a closing bracket is missing")

    def _finish(self) -> None:
        if self._at < len(self._tokens):
            raise BadScript(f"{self._peek()[1]!r} makes no sense there")


def _compared(left: str, sign: str, right: str) -> str:
    """Compare as AMPscript does: numbers by size, text without regard to capitals."""
    if is_number(left) or is_number(right) or sign not in ("==", "!="):
        return f"{_number(left)} {sign} {_number(right)}"
    if left in ("true", "false") or right in ("true", "false"):
        return f"{left}|string|lower {sign} {right}|string|lower"
    return f"{_lower(left)} {sign} {_lower(right)}"


def _number(text: str) -> str:
    return text if is_number(text) else f"{text}|float"


def _lower(text: str) -> str:
    return text.lower() if text.startswith('"') and "\\" not in text else f"{text}|string|lower"
