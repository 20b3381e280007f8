"""Templates: Jinja2 in a sandbox, with strict fields and bounds on time and memory, and errors that say where.

A campaign file may come from anywhere. It reads no file but the ones beside it, calls nothing that is unsafe, and
ends: loops count their turns, and every operation that can make much out of little is measured before or after.
"""

from __future__ import annotations

import difflib
import functools
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import (
    DictLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    UndefinedError,
    nodes,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.campaign.words import word_set
from harness.errors import ConfigError

MAX_STEPS = 200_000  # turns of all loops and calls of all macros of one rendering
MAX_RENDERED = 5_000_000  # characters; mail programs clip HTML at a fiftieth of it
MAX_VALUE = 10_000_000  # characters of one value on the way
_ITEM = 50  # characters that an item of a list is worth
MAX_NUMBER = 1_000_000  # a width, a count or an exponent that a template hands to an operation
_WIDTH = re.compile(r"\d{7}")  # a width of millions in a format string
_GROWING_METHODS = word_set("center ljust rjust zfill expandtabs replace join format format_map translate")


# What a template's own mistakes raise; Python gives up on deep nesting with a SyntaxError of its own.
FAULTS = (
    TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError, SyntaxError,
    MemoryError,
)  # fmt: skip


class LimitError(TemplateError):
    """A template that would not end, or would fill the memory."""


class MailEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox that campaign templates run in."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, sources: Mapping[str, str], mark: Callable[[nodes.Template], nodes.Template] | None = None):
        super().__init__(undefined=StrictUndefined, loader=DictLoader(dict(sources)), extensions=["jinja2.ext.do"])
        self._mark = mark
        self._steps = 0
        self.globals["__turn"] = self._turn
        self.globals["__tie"] = _tie
        for name in ("lipsum", "cycler", "joiner"):
            if name == "lipsum":
                del self.globals[name]  # it rolls dice: no two renderings are the same
        del self.filters["random"]
        self.filters |= {"each": each, "capital": capital}
        for name, function in list(self.filters.items()):
            self.filters[name] = _measured(name, function)

    def start(self) -> None:
        """Begin to count anew."""
        self._steps = 0

    def _turn(self) -> str:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise LimitError(f"loops take more than {MAX_STEPS:,} turns")
        return ""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = _bound(super()._parse(source, name, filename))
        return self._mark(tree) if self._mark else tree

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a field; one that a row does not have is undefined, never a method of Python's (`order["items"]`)."""
        if isinstance(obj, Mapping) and isinstance(argument, str):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Work out an operation that can make much out of little."""
        if operator == "**" and (abs(_number(left)) > MAX_NUMBER or abs(_number(right)) > 1000):
            raise LimitError("a power too high to work out")
        if operator == "*" and _size(left) * abs(_number(right)) + _size(right) * abs(_number(left)) > MAX_VALUE:
            raise LimitError("a repetition makes a value too large")
        if operator == "+" and _size(left) + _size(right) > MAX_VALUE:
            raise LimitError("a sum makes a value too large")
        if operator == "%" and isinstance(left, str):
            _check_format(left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what the sandbox allows, measured where it can grow."""
        self._turn()
        name = getattr(function, "__name__", "")
        if name in _GROWING_METHODS and isinstance(getattr(function, "__self__", None), str | bytes):
            _check_growth(name, (function.__self__, *args), kwargs)
        return super().call(context, function, *args, **kwargs)


class Item(Mapping[str, Any]):
    """One item of a block of an imported template: its own fields, then those of the scope around it; `.` is itself."""

    def __init__(self, value: Any, around: Context):
        self._value = value
        self._around = around

    def __getitem__(self, key: str) -> Any:
        if key == ".":
            return self._value
        if isinstance(self._value, Mapping) and key in self._value:
            return self._value[key]
        return self._around.get_all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._value if isinstance(self._value, Mapping) else ())

    def __len__(self) -> int:
        return len(self._value) if isinstance(self._value, Mapping) else 0

    def __bool__(self) -> bool:
        return True


@pass_context
def each(context: Context, value: Any) -> list[Item]:
    """Return what a Mustache or Handlebars block runs over: a list's items, a true value once, a false one never."""
    if isinstance(value, Item):
        value = value["."]
    items = value if isinstance(value, list | tuple) else [value] if value else []
    return [Item(item, context) for item in items]


def capital(value: Any) -> str:
    """Put the first letter into upper case and leave the others, as Liquid does."""
    text = str(value)
    return text[:1].upper() + text[1:]


def _tie(*parts: object) -> str:
    """Concatenate as `~` does, within bounds."""
    texts = [str(part) for part in parts]
    if sum(map(len, texts)) > MAX_VALUE:
        raise LimitError("a concatenation makes a value too large")
    return "".join(texts)


def _bound(tree: nodes.Template) -> nodes.Template:
    """Let every loop count its turns, and every `~` measure what it makes."""
    loops: list[nodes.For | nodes.Macro] = [*tree.find_all(nodes.For), *tree.find_all(nodes.Macro)]
    for loop in loops:
        turn = nodes.ExprStmt(nodes.Call(nodes.Name("__turn", "load"), [], [], None, None), lineno=loop.lineno)
        loop.body.insert(0, turn)
    for tie in list(tree.find_all(nodes.Concat)):
        call = nodes.Call(nodes.Name("__tie", "load"), list(tie.nodes), [], None, None, lineno=tie.lineno)
        tie.nodes = [call]
    for node in tree.find_all(nodes.Node):
        node.set_environment(tree.environment) if tree.environment else None
    return tree


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _size(value: object) -> int:
    if isinstance(value, list | tuple):
        return len(value) * _ITEM
    return len(value) if isinstance(value, str | bytes) else 0


def _check_format(text: str, arguments: object) -> None:
    values = arguments if isinstance(arguments, tuple) else (arguments,)
    if _WIDTH.search(text) or ("*" in text and any(abs(_number(value)) > MAX_NUMBER for value in values)):
        raise LimitError("a format with a width of millions")


def _check_growth(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse an operation before it makes too much."""
    values = (*args[1:], *kwargs.values())
    if name not in ("replace", "join") and any(abs(_number(value)) > MAX_NUMBER for value in values):
        raise LimitError(f"{name} with a number of millions")
    if name.startswith("format"):
        _check_format(str(args[0]), values)
    elif name == "replace" and len(args) > 2:
        grown = str(args[0]).count(str(args[1])) * len(str(args[2]))
        if grown > MAX_VALUE:
            raise LimitError("replace makes a value too large")
    elif name == "join":
        lists = [value for value in args if isinstance(value, list | tuple)]
        glue = max((_size(value) for value in (*args, *values) if isinstance(value, str)), default=0)
        if sum(sum(map(_size, each)) + len(each) * glue for each in lists) > MAX_VALUE:
            raise LimitError("join makes a value too large")


def _measured(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter so that it is measured before and after."""
    passed = 1 if getattr(function, "jinja_pass_arg", None) is not None else 0  # the environment comes first

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if len(args) > passed:
            _check_growth(name, args[passed:], kwargs)
        result = function(*args, **kwargs)
        if _size(result) > MAX_VALUE:
            raise LimitError(f"filter {name} makes a value too large")
        return result

    return run


def render(template: Template, values: Mapping[str, object]) -> str:
    """Render within bounds."""
    environment = template.environment
    if isinstance(environment, MailEnvironment):
        environment.start()
    chunks: list[str] = []
    size = 0
    for chunk in template.generate(dict(values)):
        size += len(chunk)
        if size > MAX_RENDERED:
            raise LimitError(f"the message grows beyond {MAX_RENDERED:,} characters")
        chunks.append(chunk)
    return "".join(chunks)


def explain(error: Exception, where: str, persona: str, values: Mapping[str, object]) -> ConfigError:
    """Turn what a template raised into one sentence that names file, line and what to do."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error, where)
    place = f"{where}:{line}" if line and not re.search(r":\d+$", where) else where
    if isinstance(error, TemplateSyntaxError):
        at = f"{error.name}:{error.lineno}" if error.name and error.name != where and error.lineno else place
        return ConfigError(f"{at}: template syntax: {error.message}; fix the tag, or import the file to convert it")
    if isinstance(error, UndefinedError):
        return ConfigError(f"{place}: {_undefined(str(error), values)} for {persona}; add it to that seed's `merge:`")
    if isinstance(error, LimitError):
        return ConfigError(f"{place}: {error}; a message needs far less, so shorten the loop or the value")
    if isinstance(error, SyntaxError | RecursionError):
        return ConfigError(f"{place}: its blocks are nested too deeply, or call themselves; nest them less")
    text = re.sub(r"\s+", " ", str(error)) or type(error).__name__
    return ConfigError(f"{place}: the template can't be rendered for {persona}: {text[:300]}")


def _line(error: Exception, where: str) -> int | None:
    """Find the template line that an error came from."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename in (where, "<template>")
    ]
    return lines[-1] if lines else None


def _undefined(message: str, values: Mapping[str, object]) -> str:
    """Name the undefined field and the nearest one that there is."""
    found = re.search(r"'([^']+)' is undefined|has no attribute '([^']+)'|has no element '?([^']+)'?", message)
    name = next((group for group in found.groups() if group), "") if found else ""
    if not name:
        return f"undefined field ({message[:200]})"
    near = difflib.get_close_matches(name, [str(key) for key in values], 1, 0.5)
    known = f", did you mean `{near[0]}`" if near else f" (known: {', '.join(sorted(map(str, values))) or 'none'})"
    return f"the field `{name}` is not defined{known}"
