"""Rules for templates. They are stricter than Jinja2, because a template is compiled, not rendered.

A secret's value is not known when its template is compiled, so a template can neither test nor
change it: ``secret(…)`` stands alone in its ``{{ }}``, or is an argument of ``url(…)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jinja2 import nodes

from agent.compiler.errors import TemplateRejected, suggest

#: Helpers whose value only the agent knows.
_OPAQUE: Final = frozenset({"secret", "url"})
HELPERS: Final = _OPAQUE | {"setting"}
_STATEMENTS: Final = (nodes.Output, nodes.If, nodes.For, nodes.Assign)

_URL = "compose it with url('scheme://user:{}@host', secret(…))"
_ALONE = "write {{ secret(…) }} where the value goes"
_CHOOSE = "decide by a setting, with {% if setting(…) %} … {% endif %}"

#: Node around the call, the misuse, what to do instead. The first match applies.
_MISUSES: Final[tuple[tuple[type[nodes.Node], str, str], ...]] = (
    (
        nodes.Filter,
        "goes through the filter {name!r}",
        "store the secret in the form that is needed",
    ),
    (nodes.Test, "is tested", _CHOOSE),
    (nodes.Concat, "is concatenated", _URL),
    (nodes.Compare, "is compared", _CHOOSE),
    (nodes.Operand, "is compared", _CHOOSE),
    (nodes.And, "is used as a condition", _CHOOSE),
    (nodes.Or, "is used as a condition", _CHOOSE),
    (nodes.Not, "is used as a condition", _CHOOSE),
    (nodes.If, "is used as a condition", _CHOOSE),
    (nodes.CondExpr, "is used in an inline if", _CHOOSE),
    (nodes.BinExpr, "is used in a calculation", _URL),
    (nodes.UnaryExpr, "is used in a calculation", _ALONE),
    (nodes.For, "is looped over", "declare one secret for each value"),
    (nodes.Assign, "is assigned to a variable", _ALONE),
    (nodes.Getattr, "is accessed by the attribute {attr!r}", "declare one secret for each part"),
    (nodes.Getitem, "is indexed", "declare one secret for each part"),
    (nodes.Node, "is used inside another expression", _ALONE),
)


def check(tree: nodes.Template, origin: str) -> None:
    """Check that a template does only what a template may do."""
    known = (
        HELPERS | {"loop"} | {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    )
    for path in _walk((tree,)):
        node = path[-1]
        if isinstance(node, nodes.Stmt) and not isinstance(node, _STATEMENTS):
            tag = _tag_name(node)
            raise TemplateRejected(
                origin, node.lineno, f"{{% {tag} %}} is not allowed; use if, for or set"
            )
        if isinstance(node, nodes.For) and node.recursive:
            message = "a loop cannot be recursive; remove the word recursive"
            raise TemplateRejected(origin, node.lineno, message)
        if isinstance(node, nodes.Name):
            _check_name(node, path, known, origin)


def _check_name(
    node: nodes.Name, path: tuple[nodes.Node, ...], known: frozenset[str], origin: str
) -> None:
    if node.name in HELPERS and node.ctx != "load":
        message = f"{node.name!r} is a helper; use another name for the variable"
        raise TemplateRejected(origin, node.lineno, message)
    if node.name not in known:
        hint = suggest(node.name, known)
        raise TemplateRejected(origin, node.lineno, f"unknown name {node.name!r}; {hint}")
    if node.name in HELPERS:
        _check_call(node, path[:-1], origin)


def _check_call(name: nodes.Name, around: tuple[nodes.Node, ...], origin: str) -> None:
    call = around[-1]
    if not isinstance(call, nodes.Call) or call.node is not name:
        message = f"{name.name} is a helper; call it: {name.name}(…)"
        raise TemplateRejected(origin, name.lineno, message)
    if call.kwargs or call.dyn_args or call.dyn_kwargs:
        message = f"{name.name}() takes positional arguments only; pass them without names or *"
        raise TemplateRejected(origin, name.lineno, message)
    if name.name != "url" and len(call.args) != 1:
        message = f"{name.name}() takes one argument; pass the name of the {name.name}"
        raise TemplateRejected(origin, name.lineno, message)
    if name.name in _OPAQUE and not _is_allowed_place(name.name, call, around[-2]):
        raise TemplateRejected(origin, name.lineno, _describe_misuse(call, around[-2]))


def _is_allowed_place(helper: str, call: nodes.Call, outer: nodes.Node) -> bool:
    if isinstance(outer, nodes.Output):
        return True
    return (
        helper == "secret"
        and isinstance(outer, nodes.Call)
        and isinstance(outer.node, nodes.Name)
        and outer.node.name == "url"
        and call in outer.args[1:]
    )


def _describe_misuse(call: nodes.Call, outer: nodes.Node) -> str:
    misuse, remedy = next((what, do) for kind, what, do in _MISUSES if isinstance(outer, kind))
    details = {"name": getattr(outer, "name", ""), "attr": getattr(outer, "attr", "")}
    return f"{_describe(call)} {misuse.format(**details)}; {remedy}"


def _describe(call: nodes.Call) -> str:
    name = call.node.name if isinstance(call.node, nodes.Name) else "?"
    first = call.args[0] if call.args else None
    argument = repr(first.value) if isinstance(first, nodes.Const) and name == "secret" else "…"
    return f"{name}({argument})"


def _tag_name(node: nodes.Stmt) -> str:
    """Return the tag that the author wrote for *node*, such as ``call`` for CallBlock."""
    words = {
        "AssignBlock": "endset",
        "FromImport": "from",
        "ScopedEvalContextModifier": "autoescape",
    }
    kind = type(node).__name__
    return words.get(kind, kind.removesuffix("Block").lower())


def _walk(path: tuple[nodes.Node, ...]) -> Iterator[tuple[nodes.Node, ...]]:
    """Yield the path to every node below the last node of *path*."""
    for child in path[-1].iter_child_nodes():
        yield (*path, child)
        yield from _walk((*path, child))
