"""Mustache, Handlebars, Mustachio and SendGrid's subset: the tree of tags written as Jinja2.

`{{x}}` escapes for HTML, `{{{x}}}` and `{{&x}}` don't.
"""

from __future__ import annotations

import re

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.handlescope import Frame, Scope
from harness.campaign.syntax.handletree import Block, Node, Tag, read_tree
from harness.campaign.syntax.spelling import is_number, quote

_COMPARE = {"equals": "==", "notEquals": "!=", "greaterThan": ">", "lessThan": "<"}
_JOIN = {"and": "and", "or": "or"}
_TESTS = ("if", "unless", *_COMPARE, *_JOIN)  # blocks that open no scope


def convert_handlebars(draft: Draft, *, standalone: bool = True) -> None:
    """Convert the whole source."""
    nodes = read_tree(draft, standalone)
    outside = frozenset(_names(nodes, inside=False))
    _Writer(draft, Scope(draft, outside)).nodes(nodes)


def convert_mustachio(draft: Draft) -> None:
    """Convert a Mustachio source: lines of their own stay."""
    convert_handlebars(draft, standalone=False)


def _names(nodes: list[Node], inside: bool) -> list[str]:
    """List the first words of names that stand outside of all loops and sections."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, Tag) and not inside and node.sign in ("", "&", "{") and len(node.words) == 1:
            found.append(re.split(r"[./]", node.words[0])[0])
        elif isinstance(node, Block):
            plain = bool(node.tag.words) and node.tag.words[0] in _TESTS
            for _, body in node.branches:
                found += _names(body, inside or not plain)
    return found


# Writing


class _Writer:
    def __init__(self, draft: Draft, scope: Scope):
        self.draft = draft
        self.scope = scope

    def nodes(self, nodes: list[Node]) -> None:
        for node in nodes:
            if isinstance(node, str):
                self.draft.text(node)
            elif isinstance(node, Block):
                self._block(node)
            else:
                self._tag(node)

    def _tag(self, tag: Tag) -> None:
        if tag.sign == "!":
            return
        escape = "" if tag.sign in ("{", "&") else self.draft.escape
        if tag.sign in ("", "{", "&") and len(tag.words) == 1:
            value = self._value(tag.words[0])
            if value is not None:
                self.draft.code(f"{{{{ {value}{escape} }}}}")
                return
        if tag.words[:1] == ["insert"] and len(tag.words) in (2, 3):
            fallback = tag.words[2].strip("\"'").removeprefix("default=").strip("\"'") if len(tag.words) == 3 else ""
            with self.draft.leniently():
                value = self.scope.look(tag.words[1].strip("\"'"))
            if value is not None:
                self.draft.code(f"{{{{ {value}|default({quote(fallback)}, true){escape} }}}}")
                return
        self.draft.unknown(tag.start, tag.raw, _why(tag))

    def _value(self, word: str) -> str | None:
        if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
            return quote(word[1:-1])
        if is_number(word) or word in ("true", "false"):
            return word
        return self.scope.look(word)

    def _lenient(self, word: str) -> str | None:
        """Write a value for a condition: a name that is missing there counts as nothing."""
        with self.draft.leniently():
            value = self._value(word)
        if value is None or value[0] == '"' or is_number(value) or value in ("true", "false"):
            return value
        return value if value.startswith("loop.") else f"{value}|default(none)"

    def _condition(self, tag: Tag, words: list[str]) -> str | None:
        """Write the test of an if, unless, or one of SendGrid's comparisons."""
        kind, values = words[0], [self._lenient(word) for word in words[1:]]
        if any(value is None for value in values):
            return None
        if kind in ("if", "unless") and len(values) == 1:
            return str(values[0]) if kind == "if" else f"not {values[0]}"
        if kind in _COMPARE and len(values) == 2:
            left, right = values
            if kind in ("greaterThan", "lessThan"):
                left, right = (f"{str(v).replace('|default(none)', '|default(0)')}|float" for v in values)
            return f"{left} {_COMPARE[kind]} {right}"
        if kind in _JOIN and len(values) == 2:
            return f"{values[0]} {_JOIN[kind]} {values[1]}"
        return None

    def _block(self, block: Block) -> None:
        tag = block.tag
        kind = tag.words[0] if tag.words else ""
        if tag.sign == "^":
            done = len(tag.words) == 1 and self._choice(block, ["unless", kind])
        elif kind in _TESTS and len(tag.words) > 1:
            done = self._choice(block, tag.words)
        elif kind in ("each", "with") and len(tag.words) > 1:
            done = self._each(block) if kind == "each" else self._with(block)
        else:
            done = len(tag.words) == 1 and self._section(block)
        if not done:
            self._keep(block)

    def _keep(self, block: Block) -> None:
        """Refuse a block; or keep its own tags as text, and convert what is in it."""
        for number, (tag, body) in enumerate(block.branches):
            self.draft.unknown(tag.start, tag.raw, _why(tag) if not number else "it belongs to a block that stays")
            self.nodes(body)
        name = block.tag.words[0] if block.tag.words else ""
        self.draft.text(f"{{{{/{name}}}}}")

    def _choice(self, block: Block, words: list[str]) -> bool:
        tests: list[str | None] = [self._condition(block.tag, words)]
        for tag, _ in block.branches[1:]:
            tests.append(self._condition(tag, tag.words) if len(tag.words) > 1 else "")
        if None in tests:
            return False
        for number, ((_, body), test) in enumerate(zip(block.branches, tests, strict=True)):
            word = "if" if not number else "elif"
            self.draft.code(f"{{% {word} {test} %}}" if test else "{% else %}")
            self.nodes(body)
        self.draft.code("{% endif %}")
        return True

    def _else(self, block: Block) -> None:
        for tag, body in block.branches[1:]:
            if tag.words:
                raise self.draft.fail(tag.start, tag.raw, "this block takes a plain {{else}} only")
            self.draft.code("{% else %}")
            self.nodes(body)

    def _each(self, block: Block) -> bool:
        words = block.tag.words
        names = [word.strip("|") for word in words[3:] if word.strip("|")] if words[2:3] == ["as"] else []
        with self.draft.leniently():
            value = self.scope.look(words[1])
        if value is None or (len(words) > 2 and not names):
            return False
        body = block.branches[0][1]
        frame = self.scope.item_frame(words[1], value, names, keyed=_mentions(body, "@key"))
        self.draft.code(f"{{% for {frame.target} in {frame.over} %}}")
        self._inside(frame, body)
        self._else(block)
        self.draft.code("{% endfor %}")
        return True

    def _with(self, block: Block) -> bool:
        with self.draft.leniently():
            value = self.scope.look(block.tag.words[1])
        if value is None or len(block.tag.words) > 2:
            return False
        self.draft.code(f"{{% if {value}|default(none) %}}")
        self._inside(self.scope.group_frame(block.tag.words[1], value), block.branches[0][1])
        self._else(block)
        self.draft.code("{% endif %}")
        return True

    def _section(self, block: Block) -> bool:
        """Write a Mustache section: a list is run through, a group entered, anything else asked for its truth."""
        word = block.tag.words[0]
        with self.draft.leniently():
            value = self.scope.look(word)
        if value is None:
            return False
        shape = self.scope.shape(word, uses_item=_mentions(block.branches[0][1], "."))
        if shape == "list":
            block.tag.words = ["each", word]
            return self._each(block)
        if shape == "group":
            block.tag.words = ["with", word]
            return self._with(block)
        if shape == "condition":
            return self._choice(block, ["if", word])
        frame = self.scope.any_frame(word, value)
        self.draft.code(f"{{% for {frame.target} in {frame.over} %}}")
        self._inside(frame, block.branches[0][1])
        self._else(block)
        self.draft.code("{% endfor %}")
        self.draft.note(
            f"{self.draft.name}:{self.draft.line(block.tag.start)}: {block.tag.raw} may be a condition, a group or a "
            "list; import again with --data, or after seeds.yaml has the field, for a simpler template"
        )
        return True

    def _inside(self, frame: Frame, body: list[Node]) -> None:
        self.scope.frames.append(frame)
        self.nodes(body)
        self.scope.frames.pop()


def _mentions(nodes: list[Node], what: str) -> bool:
    """Tell whether a body shows the item itself, or its key."""
    wanted = (what,) if what != "." else (".", "this")
    for node in nodes:
        if isinstance(node, Tag) and any(word in wanted for word in node.words):
            return True
        if isinstance(node, Block) and any(_mentions(body, what) for _, body in node.branches):
            return True
    return False


def _why(tag: Tag) -> str:
    if tag.sign == ">":
        return "a partial stands in another file"
    if tag.sign == "=":
        return "it changes the delimiters"
    if len(tag.words) > 1:
        return f"there is no helper {tag.words[0]!r}"
    return "it is no name of a field"
