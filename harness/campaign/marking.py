"""Marking: how the places of merge fields and sections are found in what a template renders to.

The template is compiled a second time with marker characters around every output, conditional and loop. An output
is written once for every subset of its fields (plain values put in for the others), so that an expression over two
fields is right for each of them alone. Without the markers, what is rendered must be the plain
rendering: that is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from harness.campaign.marks import CLOSE, NEXT, Mark, Marks
from harness.campaign.words import word_set

MAX_FIELDS = 4  # more fields in one expression are switched together: 2**n renderings are too many

# Filters that make sense of any neutral word; with others (round, format, date) the neutral value stands bare.
_EASY_FILTERS = word_set(
    "upper lower title capitalize capital trim e escape default d urlencode truncate replace string striptags safe"
    " forceescape"
)
_EASY_METHODS = word_set("upper lower title capitalize strip lstrip rstrip swapcase")
_EASY_NODES = (
    nodes.Const, nodes.TemplateData, nodes.Concat, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Test,
    nodes.Operand, nodes.Keyword,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Local:
    """A name that the template made itself: the path of what it runs over, or the expression it was set to."""

    path: str | None = None
    value: nodes.Node | None = None
    scope: Scope | None = None


Scope = Mapping[str, Local]


class Marker:
    """Marks one template tree; `neutral` gives a field's plain value."""

    def __init__(
        self,
        marks: Marks,
        neutral: Callable[[str], object],
        known: frozenset[str],
        constants: frozenset[str],
        names: Mapping[str, str] | None = None,
    ):
        self._marks = marks
        self._names = names or {}  # what a template calls a field -> what the merge rows call it
        self._neutral = neutral
        self._known = known  # merge names; they win over the environment's own names
        self._constants = constants - known

    def __call__(self, tree: nodes.Template) -> nodes.Template:
        """Mark a template in place."""
        tree.body = self._body(tree.body, {})
        environment = tree.environment
        for node in tree.find_all(nodes.Node):
            node.environment = environment
        return tree

    def _body(self, body: list[nodes.Node], scope: Scope) -> list[nodes.Node]:
        inner = dict(scope)
        marked: list[nodes.Node] = []
        for node in body:
            marked.extend(self._node(node, inner))
        return marked

    def _node(self, node: nodes.Node, scope: dict[str, Local]) -> list[nodes.Node]:
        match node:
            case nodes.Output():
                node.nodes = [part for expression in node.nodes for part in self._output(expression, scope)]
            case nodes.If():
                return self._conditional(node, scope)
            case nodes.For():
                return self._loop(node, scope)
            case nodes.Assign(target=nodes.Name() as target):
                scope[target.name] = Local(value=node.node, scope=dict(scope))
            case nodes.Assign() | nodes.AssignBlock():
                for name in node.find_all(nodes.Name):
                    if name.ctx == "store":
                        scope[name.name] = Local()
            case nodes.Macro() | nodes.Import():
                scope[node.name if isinstance(node, nodes.Macro) else node.target] = Local()
            case nodes.FromImport():
                for imported in node.names:
                    scope[imported if isinstance(imported, str) else imported[1]] = Local()
            case nodes.With():
                inner = dict(scope)
                for left, value in zip(node.targets, node.values, strict=True):
                    if isinstance(left, nodes.Name):
                        inner[left.name] = Local(value=value, scope=dict(scope))
                node.body = self._body(node.body, inner)
            case nodes.Block() | nodes.Scope() | nodes.ScopedEvalContextModifier():
                node.body = self._body(node.body, scope)
            case nodes.FilterBlock() | nodes.CallBlock():
                return self._captured(node, scope)
        return [node]

    # Outputs

    def _output(self, expression: nodes.Expr, scope: Scope) -> list[Any]:
        fields = self.fields(expression, scope)
        if not fields:
            return [expression]
        easy = len(fields) <= MAX_FIELDS and self._easy(expression, scope)
        opener = self._marks.opener(Mark(fields, joint=not easy))
        parts: list[Any] = [_data(opener)]
        if isinstance(expression, nodes.CondExpr) and not self._shown(expression, scope):
            parts += [expression.expr2 or nodes.Const(""), _data(NEXT)]
            opener = self._marks.opener(Mark(fields, joint=True))
            parts[0] = _data(opener)
        elif easy:
            for mask in range(2 ** len(fields) - 1):
                shown = frozenset(name for bit, name in enumerate(fields) if mask >> bit & 1)
                parts += [self._substitute(expression, scope, shown), _data(NEXT)]
        else:
            parts += [nodes.Const(self._neutral(fields[0])), _data(NEXT)]
        return [*parts, expression, _data(CLOSE)]

    def _captured(self, node: nodes.FilterBlock | nodes.CallBlock, scope: Scope) -> list[nodes.Node]:
        fields = self.fields(node, scope)
        if not fields:
            return [node]
        opener = self._marks.opener(Mark(fields, joint=True))
        plain = self._substitute(node, scope, frozenset())
        return [_put(opener), plain, _put(NEXT), node, _put(CLOSE)]

    # Sections

    def _conditional(self, node: nodes.If, scope: dict[str, Local]) -> list[nodes.Node]:
        name = self._condition(node.test, scope)
        node.body = self._section(name, node.body, scope)
        others = [name] if name else []
        for branch in node.elif_:
            name = self._condition(branch.test, scope)
            branch.body = self._section(name, branch.body, scope)
            others += [name] if name else []
        if node.else_:
            node.else_ = self._section(f"{others[0]}/else" if others else "", node.else_, scope)
        return [node]

    def _loop(self, node: nodes.For, scope: dict[str, Local]) -> list[nodes.Node]:
        fields = self.fields(node.iter, scope)
        inner = dict(scope)
        path = self._path(_bare(node.iter), scope) if fields else None
        targets = [node.target] if isinstance(node.target, nodes.Name) else list(node.target.find_all(nodes.Name))
        for number, target in enumerate(targets):
            words = (path or "+".join(fields)) if fields else None
            if words and len(targets) > 1:
                words += (".key", ".value")[number] if len(targets) == 2 else f".{number}"
            inner[target.name] = Local(path=words)
        inner["loop"] = Local()
        node.body = self._body(node.body, inner)
        node.else_ = self._body(node.else_, scope)
        if not fields:
            return [node]
        opener = self._marks.opener(Mark(section=path or "+".join(fields)))
        return [_put(opener), node, _put(CLOSE)]

    def _section(self, name: str, body: list[nodes.Node], scope: Scope) -> list[nodes.Node]:
        marked = self._body(body, scope)
        return [_put(self._marks.opener(Mark(section=name))), *marked, _put(CLOSE)] if name else marked

    def _condition(self, test: nodes.Node, scope: Scope) -> str:
        """Name a condition by the fields that it asks for; empty where it asks for none."""
        fields = "+".join(self.fields(test, scope))
        value = None
        if isinstance(test, nodes.Compare) and len(test.ops) == 1 and isinstance(test.ops[0].expr, nodes.Const):
            sign = {"eq": "=", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}.get(test.ops[0].op, "")
            value = f"{sign}{test.ops[0].expr.value}" if sign else None
        if fields and isinstance(test, nodes.Not):
            return f"not-{fields}"
        return fields + (value or "") if fields else ""

    # Fields

    def fields(self, node: nodes.Node, scope: Scope) -> tuple[str, ...]:
        """List the merge fields that an expression asks for, in order."""
        found: dict[str, None] = {}
        self._collect(node, scope, found)
        return tuple(found)

    def _collect(self, node: nodes.Node, scope: Scope, found: dict[str, None]) -> None:
        path = self._path(node, scope)
        if path is not None:
            found[path] = None
            return
        if isinstance(node, nodes.Name) and node.ctx == "load":
            local = scope.get(node.name)
            if local and local.value is not None:
                self._collect(local.value, local.scope or {}, found)
            return
        if isinstance(node, nodes.CondExpr) and self._shown(node, scope):
            for name in self._shown(node, scope):
                found[name] = None
            return
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            for child in (node.node.node, *node.args, *node.kwargs):
                self._collect(child, scope, found)
            return
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            for child in (*node.args, *node.kwargs):
                self._collect(child, scope, found)
            if node.node.name not in scope and node.node.name not in self._constants:
                self._collect(node.node, scope, found)
            return
        for child in node.iter_child_nodes():
            self._collect(child, scope, found)

    def _shown(self, node: nodes.CondExpr, scope: Scope) -> tuple[str, ...]:
        """List the fields that either branch shows; which branch is taken is not theirs to say."""
        found: dict[str, None] = {}
        self._collect(node.expr1, scope, found)
        if node.expr2 is not None:
            self._collect(node.expr2, scope, found)
        return tuple(found)

    def _path(self, node: nodes.Node, scope: Scope) -> str | None:
        """Return the dotted path of a plain look-up of a field, None for anything else."""
        match node:
            case nodes.Name(ctx="load"):
                local = scope.get(node.name)
                if local is None:
                    return None if node.name in self._constants else self._names.get(node.name, node.name)
                if local.value is not None:
                    return self._path(local.value, local.scope or {})
                return local.path
            case nodes.Getattr():
                base = self._path(node.node, scope)
                return f"{base}.{node.attr}" if base else None
            case nodes.Getitem(arg=nodes.Const() as key):
                base = self._path(node.node, scope)
                return base if key.value == "." else f"{base}.{key.value}" if base else None
            case nodes.Filter(name="default" | "d", node=nodes.Expr() as inner, args=[nodes.Dict(items=[])]):
                return self._path(inner, scope)  # `(person|default({})).city`: a mapping that may be missing
            case nodes.Call(node=nodes.Getattr() as method):
                if method.attr in ("items", "values", "keys") and not node.args:
                    return self._path(method.node, scope)
        return None

    def _easy(self, node: nodes.Node, scope: Scope) -> bool:
        if isinstance(node, nodes.Name) and node.ctx == "load":
            local = scope.get(node.name)
            if local and local.value is not None:
                return self._easy(local.value, local.scope or {})
        if self._path(node, scope) is not None:
            return True
        match node:
            case nodes.CondExpr():
                branches = [node.expr1] + ([node.expr2] if node.expr2 is not None else [])
                return all(self._easy(branch, scope) for branch in branches)
            case nodes.Name():
                return node.name == "__tie" or (node.name in scope and scope[node.name] == Local())
            case nodes.Filter():
                allowed = node.name in _EASY_FILTERS
            case nodes.Call(node=nodes.Name() as called):
                allowed = called.name == "__tie" or scope.get(called.name) == Local()  # a macro of the template
            case nodes.Call(node=nodes.Getattr() as method):
                base = method.node
                return method.attr in _EASY_METHODS and not node.args and self._easy(base, scope)
            case nodes.Compare():
                allowed = all(operand.op in ("eq", "ne", "in", "notin") for operand in node.ops)
            case _:
                allowed = isinstance(node, _EASY_NODES)
        return allowed and all(self._easy(child, scope) for child in node.iter_child_nodes())

    def _substitute(self, node: nodes.Node, scope: Scope, shown: frozenset[str]) -> Any:
        """Copy an expression with plain values for all fields but the ones shown."""
        marker = self

        class Plain(NodeTransformer):
            def visit(self, node: Any, *args: object, **kwargs: object) -> Any:
                path = marker._path(node, scope)
                if path is not None:
                    return node if path in shown else nodes.Const(marker._neutral(path))
                if isinstance(node, nodes.Name) and node.ctx == "load":
                    local = scope.get(node.name)
                    if local and local.value is not None and marker.fields(local.value, local.scope or {}):
                        return marker._substitute(local.value, local.scope or {}, shown)
                if isinstance(node, nodes.CondExpr) and marker._shown(node, scope):
                    node.expr1 = self.visit(node.expr1)
                    node.expr2 = self.visit(node.expr2) if node.expr2 is not None else None
                    return node
                if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
                    node.node.node = self.visit(node.node.node)
                    node.args = [self.visit(child) for child in node.args]
                    return node
                return super().visit(node, *args, **kwargs)

        return Plain().visit(_copied(node))


def _copied(node: nodes.Node) -> nodes.Node:
    """Copy a tree, all but the environment that it belongs to."""
    made = object.__new__(type(node))
    for name in node.attributes:
        setattr(made, name, getattr(node, name))
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, list):
            value = [_copied(child) if isinstance(child, nodes.Node) else child for child in value]
        setattr(made, name, _copied(value) if isinstance(value, nodes.Node) else value)
    return made


def _bare(node: Any) -> Any:
    """Look through filters that only order or cut a list."""
    while isinstance(node, nodes.Filter | nodes.Getitem) and node.node is not None:
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice):
            break
        node = node.node
    return node


def _data(text: str) -> nodes.TemplateData:
    return nodes.TemplateData(text)


def _put(text: str) -> nodes.Output:
    return nodes.Output([_data(text)])
