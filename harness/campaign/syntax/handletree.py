"""The tags of Mustache and Handlebars as a tree of texts, tags and blocks.

A tag of a block that has a line to itself takes the line with it (mustache(5) spec, "standalone tags"; Handlebars does
the same, Mustachio does not).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.campaign.syntax.draft import Draft

_WORD = re.compile(r'"[^"]*"|\'[^\']*\'|[^\s"\'()]*"[^"]*"|(?:\[[^\]]*\]|[^\s()\[\]])+|[()]')
_LEAD = re.compile(r"[ \t]*(?:\r?\n|$)")
_TRAIL = re.compile(r"(?:^|\n)[ \t]*$")
_BRACES = (("{{!--", "--}}"), ("{{~!--", "--}}"), ("{{{", "}}}"), ("{{~{", "}~}}"), ("{{", "}}"))
MAX_DEPTH = 50


@dataclass(slots=True)
class Tag:
    """One tag: its sign (`#`, `/`, `^`, `&`, `{`, `!`, `else` or none), its words, and where it stands."""

    sign: str
    words: list[str]
    start: int
    end: int
    raw: str
    trim_left: bool = False
    trim_right: bool = False


@dataclass(slots=True)
class Block:
    """`{{#kind words}} … {{/kind}}`: branches with the tag that opens each, the last one perhaps an else."""

    tag: Tag
    branches: list[tuple[Tag, list[Node]]] = field(default_factory=list)


Node = str | Tag | Block


def read_tree(draft: Draft, standalone: bool) -> list[Node]:
    """Read a whole source.

    Raises:
        ConfigError: a tag never ends, or a block is not closed.
    """
    return _tree(draft, _tokens(draft, standalone))


def _tokens(draft: Draft, standalone: bool) -> list[str | Tag]:
    source = draft.source
    tokens: list[str | Tag] = []
    at = 0
    while (start := source.find("{{", at)) >= 0:
        if start and source[start - 1] == "\\":  # Handlebars: \{{ is literal
            tokens += [source[at : start - 1], "{{"]
            at = start + 2
            continue
        tag = _read(draft, start)
        tokens += [source[at:start], tag]
        at = tag.end
    tokens.append(source[at:])
    return _trimmed([token for token in tokens if token != ""], standalone)


def _read(draft: Draft, start: int) -> Tag:
    source = draft.source
    opening, closing = next(pair for pair in _BRACES if source.startswith(pair[0], start))
    end = source.find(closing, start + len(opening))
    if end < 0 and closing == "}~}}":
        closing = "}}}"
        end = source.find(closing, start)
    if end < 0:
        raise draft.fail(start, source[start : start + 40], f"no {closing} ends it")
    body = source[start + len(opening) : end]
    end += len(closing)
    tag = Tag("", [], start, end, source[start:end])
    if "!--" in opening:
        tag.sign = "!"
        return tag
    tag.trim_left, tag.trim_right = "~" in opening or body.startswith("~"), "~" in closing or body.endswith("~")
    body = body.strip("~").strip()
    if "{" in opening[2:]:
        tag.sign = "{"
    elif body[:1] in ("#", "/", "^", "&", "!", ">", "=", "*"):
        tag.sign, body = body[0], body[1:].strip()
    if tag.sign not in ("!", "=", ">"):
        tag.words = _WORD.findall(body)
        if tag.sign == "^" and not tag.words:
            tag.sign, tag.words = "", ["else"]
        if not tag.sign and tag.words[:1] == ["else"]:
            tag.sign, tag.words = "else", tag.words[1:]
    return tag


def _trimmed(tokens: list[str | Tag], standalone: bool) -> list[str | Tag]:
    """Take the lines of standalone tags, and the white space that `~` eats."""
    made = list(tokens)
    for number, tag in enumerate(tokens):
        if isinstance(tag, str):
            continue
        before = tokens[number - 1] if number else "\n"
        after = tokens[number + 1] if number + 1 < len(tokens) else ""
        if (
            standalone
            and tag.sign in ("#", "/", "^", "!", "else")
            and isinstance(before, str)
            and isinstance(after, str)
        ):
            lead, trail = _LEAD.match(after), _TRAIL.search(before)
            whole = lead and trail and (lead.end() == 0 or "\n" in lead[0] or number + 2 >= len(tokens))
            if lead and trail and whole and (trail[0].startswith("\n") or number <= 1):
                _cut(made, number, trail.end() - trail.start() - trail[0].startswith("\n"), lead.end())
        if tag.trim_left and isinstance(before, str) and number:
            _cut(made, number, len(str(made[number - 1])) - len(str(made[number - 1]).rstrip()), 0)
        if tag.trim_right and isinstance(after, str) and after:
            _cut(made, number, 0, len(str(made[number + 1])) - len(str(made[number + 1]).lstrip()))
    return [token for token in made if token != ""]


def _cut(tokens: list[str | Tag], number: int, left: int, right: int) -> None:
    if left and number:
        tokens[number - 1] = str(tokens[number - 1])[:-left]
    if right and number + 1 < len(tokens):
        tokens[number + 1] = str(tokens[number + 1])[right:]


def _tree(draft: Draft, tokens: list[str | Tag]) -> list[Node]:
    root: list[Node] = []
    stack: list[tuple[Block, list[Node]]] = []
    here = root
    for token in tokens:
        if isinstance(token, str):
            here.append(token)
        elif token.sign in ("#", "^"):
            if len(stack) >= MAX_DEPTH:
                raise draft.fail(token.start, token.raw, f"blocks are nested more than {MAX_DEPTH} deep")
            block = Block(token)
            here.append(block)
            stack.append((block, here))
            here = []
            block.branches.append((token, here))
        elif token.sign == "else" and stack:
            here = []
            stack[-1][0].branches.append((token, here))
        elif token.sign == "/" and stack:
            block, here = _closed(draft, stack, token)
        elif token.sign in ("else", "/"):
            raise draft.fail(token.start, token.raw, "no block is open here")
        else:
            here.append(token)
    if stack:
        tag = stack[-1][0].tag
        raise draft.fail(tag.start, tag.raw, "the block is never closed")
    return root


def _closed(draft: Draft, stack: list[tuple[Block, list[Node]]], tag: Tag) -> tuple[Block, list[Node]]:
    block, outer = stack.pop()
    opened = block.tag.words[0].lstrip("#^") if block.tag.words else ""
    if tag.words and tag.words[0] != opened:
        raise draft.fail(
            tag.start, tag.raw, f"{{{{{block.tag.sign}{opened}}}}} of line {draft.line(block.tag.start)} is open"
        )
    return block, outer
