"""The catalogue of replies: reads rule files, the project's own and a workspace's.

The project's is `rules.yaml` beside this module. A file is read through its YAML nodes, so that every
mistake is told with its line.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import yaml

from harness.bounce.rule import GAPS, Cause, Rule, Rules, Tag, fold_phrase
from harness.errors import ConfigError
from harness.model.answer import Evidence, Level
from harness.model.reply import Step

__all__ = ["RULES", "Rules", "load_rules"]

_PHRASES = ("says", "also", "unless")
_LISTS = (*_PHRASES, "codes", "enhanced", "samples", "sources")

# Which keys each table may have; the first ones are needed.
_NEEDED = {
    "rule": ("id", "class", "samples"),
    "tag": ("tag", "class"),
    "class": ("level", "permanence", "trigger_evidence", "meaning"),
}
_ALLOWED = {
    "file": ("version", "classes", "tags", "rules"),
    "rule": ("id", "class", *_PHRASES, "codes", "enhanced", "tagged", "samples", "sources"),
    "tag": (
        *("tag", "class", "alternatives", "trigger_evidence", "confidence"),
        *("codes_seen", "stage", "resolution", "provider", "sources"),
    ),
    "class": (
        *("level", "permanence", "retry", "trigger_evidence"),
        *("suppress_recipient", "meaning", "apple", "advice"),
    ),
}


class _Reader:
    """Reads one rule file; knows where everything stands, so that an error can say it."""

    def __init__(self, text: str, source: str, known: Mapping[str, Cause]) -> None:
        self.source = source
        self.causes: dict[str, Cause] = dict(known)
        self.own: dict[str, Cause] = {}
        try:
            self.root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as fault:
            mark = getattr(fault, "problem_mark", None)
            raise self._error(
                mark, f"no YAML, {getattr(fault, 'problem', None) or 'unreadable'}; expected a map with `rules:`"
            ) from None

    def _error(self, mark: Any, what: str) -> ConfigError:
        line = f":{mark.line + 1}" if mark is not None else ""
        return ConfigError(f"{self.source}{line}: {what}")

    def table(self, node: Any, kind: str) -> dict[str, Any]:
        """Read a map whose keys are known; refuse others with the nearest one."""
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node.start_mark, f"expected a map with the keys {', '.join(_ALLOWED[kind])}")
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in _ALLOWED[kind]:
                raise self._error(key.start_mark, f"unknown key {name!r}{_nearest(name, _ALLOWED[kind])}")
            found[name] = value
        for name in _NEEDED.get(kind, ()):
            if name not in found:
                raise self._error(node.start_mark, f"this {kind} lacks the key {name!r}")
        return found

    def words(self, node: Any, key: str) -> tuple[str, ...]:
        """Read a string or a list of strings."""
        if isinstance(node, yaml.ScalarNode):
            return (str(node.value),)
        if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
            return tuple(str(item.value) for item in node.value)
        raise self._error(node.start_mark, f"`{key}` must be a text or a list of texts")

    def word(self, found: Mapping[str, Any], key: str, default: str = "") -> str:
        """Read one text."""
        node = found.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node.start_mark, f"`{key}` must be a text")
        return str(node.value)

    def choice(self, found: Mapping[str, Any], key: str, choices: Iterable[str], default: str) -> str:
        """Read one text that must be one of a few."""
        value = self.word(found, key, default)
        names = tuple(choices)
        if value not in names:
            raise self._error(found[key].start_mark, f"`{key}` is {value!r}{_nearest(value, names)}")
        return value

    def cause(self, found: Mapping[str, Any]) -> str:
        """Read the class that a rule or tag names."""
        return self.choice(found, "class", self.causes, "")

    def read(self) -> Rules:
        """Read the whole file."""
        if self.root is None:
            return Rules({}, {}, (), (self.source,))
        top = self.table(self.root, "file")
        for key, node in self._pairs(top.get("classes")):
            self.own[key] = self.causes[key] = self._cause(key, node)
        tags = {tag.name: tag for tag in (self._tag(node) for node in self._items(top, "tags"))}
        rules = tuple(self._rule(node) for node in self._items(top, "rules"))
        seen: set[str] = set()
        for rule, node in zip(rules, self._items(top, "rules"), strict=True):
            if rule.id in seen:
                raise self._error(node.start_mark, f"two rules are called {rule.id!r}; give each its own name")
            seen.add(rule.id)
        return Rules(self.own, tags, rules, (self.source,))

    def _pairs(self, node: Any) -> list[tuple[str, Any]]:
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node.start_mark, "`classes` must be a map from name to class")
        return [(str(key.value), value) for key, value in node.value]

    def _items(self, top: Mapping[str, Any], key: str) -> list[Any]:
        node = top.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node.start_mark, f"`{key}` must be a list")
        return list(node.value)

    def _cause(self, name: str, node: Any) -> Cause:
        found = self.table(node, "class")
        return Cause(
            name,
            Level(self.choice(found, "level", Level, "")),
            self.choice(found, "permanence", ("permanent", "temporary", "by_reply_code", "by_action", "none"), ""),
            self.word(found, "retry", "after_fix"),
            Evidence(self.choice(found, "trigger_evidence", Evidence, "")),
            self.word(found, "suppress_recipient", "false") == "true",
            self.word(found, "meaning"),
            self.word(found, "apple"),
            self.word(found, "advice"),
        )

    def _tag(self, node: Any) -> Tag:
        found = self.table(node, "tag")
        cause = self.cause(found)
        stage = self.word(found, "stage", "null")
        codes = self.words(found["codes_seen"], "codes_seen") if "codes_seen" in found else ()
        if not all(code.isdigit() for code in codes):
            raise self._error(found["codes_seen"].start_mark, "`codes_seen` must be a list of reply codes such as 554")
        return Tag(
            self.word(found, "tag"),
            cause,
            self.words(found["alternatives"], "alternatives") if "alternatives" in found else (),
            Evidence(self.choice(found, "trigger_evidence", Evidence, self.causes[cause].evidence.value)),
            self.choice(found, "confidence", ("high", "medium", "low"), "low"),
            tuple(int(code) for code in codes),
            None if stage in ("null", "~", "") else Step(self.choice(found, "stage", Step, stage)),
            self.word(found, "resolution"),
            self.word(found, "provider", "apple"),
            self.words(found["sources"], "sources") if "sources" in found else (),
        )

    def _rule(self, node: Any) -> Rule:
        found = self.table(node, "rule")
        lists = {key: self.words(found[key], key) for key in _LISTS if key in found}
        tagged = self.word(found, "tagged", "false") == "true"
        if not tagged and not any(lists.get(key) for key in ("says", "codes", "enhanced")):
            raise self._error(node.start_mark, "a rule needs `says`, `codes` or `enhanced`, else it claims all")
        for key in _PHRASES:
            if not all(GAPS.sub("", phrase) for phrase in lists.get(key, ())):
                raise self._error(found[key].start_mark, f"`{key}` holds a phrase without a word")
            lists[key] = tuple(fold_phrase(phrase) for phrase in lists.get(key, ()))
        return Rule(self.word(found, "id"), self.cause(found), tagged=tagged, origin=self.source, **lists)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = tuple(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(names)}"


def load_rules(text: str, source: str, known: Mapping[str, Cause] | None = None) -> Rules:
    """Read a rule file. A workspace's may have rules and tags of its own, and name the project's classes.

    Raises:
        ConfigError: with file and line, what was wrong and the nearest key that exists.
    """
    base = RULES.causes if known is None else known
    return _Reader(text, source, base).read()


@functools.cache
def _own() -> Rules:
    text = resources.files("harness.bounce").joinpath("rules.yaml").read_text(encoding="utf-8")
    return load_rules(text, "harness/bounce/rules.yaml", {})


RULES = _own()
