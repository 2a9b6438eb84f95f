"""What a template may say. Stricter than Jinja2, because it is compiled and not rendered.

A secret isn't known when a template is compiled, so nothing can be asked of it or done to it:
``secret(…)`` stands alone in its ``{{ }}``, or among the values of ``url(…)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jinja2 import nodes

from agent.errors import TemplateRejected, nearest

#: Helpers whose value is known only to the agent.
_OPAQUE: Final = frozenset({"secret", "url"})
HELPERS: Final = _OPAQUE | {"setting"}
_STATEMENTS: Final = (nodes.Output, nodes.If, nodes.For, nodes.Assign)

_URL = "compose it with url('scheme://user:{}@host', secret(…))"
_ALONE = "write {{ secret(…) }} where the value goes"
_CHOOSE = "choose by a setting, with {% if setting(…) %} … {% endif %}"

#: Node around the call → what happened to the value, what to do instead. The first that fits.
_MISUSES: Final[tuple[tuple[type[nodes.Node], str, str], ...]] = (
    (nodes.Filter, "goes through the filter {name!r}", "store it in the form that is needed"),
    (nodes.Test, "is tested", _CHOOSE),
    (nodes.Concat, "is joined to something", _URL),
    (nodes.Compare, "is compared", _CHOOSE),
    (nodes.Operand, "is compared", _CHOOSE),
    (nodes.And, "is used as a condition", _CHOOSE),
    (nodes.Or, "is used as a condition", _CHOOSE),
    (nodes.Not, "is used as a condition", _CHOOSE),
    (nodes.If, "is used as a condition", _CHOOSE),
    (nodes.CondExpr, "stands in an inline if", _CHOOSE),
    (nodes.BinExpr, "is calculated with", _URL),
    (nodes.UnaryExpr, "is calculated with", _ALONE),
    (nodes.For, "is looped over", "declare one secret for each value"),
    (nodes.Assign, "is kept in a variable", _ALONE),
    (nodes.Getattr, "has its attribute {attr!r} taken", "declare one secret for each part"),
    (nodes.Getitem, "has a part taken", "declare one secret for each part"),
    (nodes.Node, "is passed on", _ALONE),
)


def check(tree: nodes.Template, origin: str) -> None:
    """Refuse what a template must not do.

    Raises:
        TemplateRejected: the first such thing, with its line.

    """
    known = (
        HELPERS | {"loop"} | {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    )
    for path in _paths((tree,)):
        node = path[-1]
        if isinstance(node, nodes.Stmt) and not isinstance(node, _STATEMENTS):
            tag = _tag(node)
            raise TemplateRejected(
                origin, node.lineno, f"{{% {tag} %}} isn't used here; there are if, for and set"
            )
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateRejected(origin, node.lineno, "a loop can't be recursive here")
        if isinstance(node, nodes.Name):
            _check_name(node, path, known, origin)


def _check_name(
    node: nodes.Name, path: tuple[nodes.Node, ...], known: frozenset[str], origin: str
) -> None:
    if node.name in HELPERS and node.ctx != "load":
        message = f"{node.name!r} is a helper; use another name for the variable"
        raise TemplateRejected(origin, node.lineno, message)
    if node.name not in known:
        hint = nearest(node.name, known)
        raise TemplateRejected(origin, node.lineno, f"unknown name {node.name!r}; {hint}")
    if node.name in HELPERS:
        _check_call(node, path[:-1], origin)


def _check_call(name: nodes.Name, around: tuple[nodes.Node, ...], origin: str) -> None:
    call = around[-1]
    if not isinstance(call, nodes.Call) or call.node is not name:
        message = f"{name.name} is a helper and is called: {name.name}(…)"
        raise TemplateRejected(origin, name.lineno, message)
    if call.kwargs or call.dyn_args or call.dyn_kwargs:
        message = f"{name.name}() takes its arguments one by one, without names or *"
        raise TemplateRejected(origin, name.lineno, message)
    if name.name != "url" and len(call.args) != 1:
        message = f"{name.name}() takes one argument, the name of the {name.name}"
        raise TemplateRejected(origin, name.lineno, message)
    if name.name in _OPAQUE and not _stands_alone(name.name, call, around[-2]):
        raise TemplateRejected(origin, name.lineno, _misuse(call, around[-2]))


def _stands_alone(helper: str, call: nodes.Call, outer: nodes.Node) -> bool:
    if isinstance(outer, nodes.Output):
        return True
    return (
        helper == "secret"
        and isinstance(outer, nodes.Call)
        and isinstance(outer.node, nodes.Name)
        and outer.node.name == "url"
        and call in outer.args[1:]
    )


def _misuse(call: nodes.Call, outer: nodes.Node) -> str:
    happened, instead = next((did, do) for kind, did, do in _MISUSES if isinstance(outer, kind))
    details = {"name": getattr(outer, "name", ""), "attr": getattr(outer, "attr", "")}
    return f"{_shown(call)} {happened.format(**details)}; {instead}"


def _shown(call: nodes.Call) -> str:
    name = call.node.name if isinstance(call.node, nodes.Name) else "?"
    first = call.args[0] if call.args else None
    argument = repr(first.value) if isinstance(first, nodes.Const) and name == "secret" else "…"
    return f"{name}({argument})"


def _tag(node: nodes.Stmt) -> str:
    """The word that a person wrote for *node*: ``call`` for CallBlock."""
    words = {
        "AssignBlock": "endset",
        "FromImport": "from",
        "ScopedEvalContextModifier": "autoescape",
    }
    kind = type(node).__name__
    return words.get(kind, kind.removesuffix("Block").lower())


def _paths(path: tuple[nodes.Node, ...]) -> Iterator[tuple[nodes.Node, ...]]:
    """Every node below the last of *path*, as the path to it."""
    for child in path[-1].iter_child_nodes():
        yield (*path, child)
        yield from _paths((*path, child))
