"""Hold the form of error messages: what failed, where and why, and then what to do.

Each error of the product is read where it is made. Its message is a text, an f-string, texts that
are joined or chosen between, or a name that the same function or module assigns. What another
function returns is not followed: neither a whole message, nor a placeholder that says what to do,
whose name is in ``BUILT_ELSEWHERE``. A :class:`FieldError` says ``(expected …)`` by its type.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.packages import PRODUCT

ROOT: Final = Path(__file__).parents[3]
_BASE: Final = "StrongroomError"


class Message(NamedTuple):
    """A message as it is written: each placeholder is in braces, as its expression."""

    place: str
    error: str
    text: str


def _name(node: ast.expr) -> str:
    """Return the last name of *node*, such as ``Sealed`` of ``errors.Sealed``."""
    return getattr(node, "id", getattr(node, "attr", ""))


def _error_classes(trees: Iterable[ast.Module]) -> set[str]:
    """Return the names of the classes that derive from the product's base class."""
    bases = {
        node.name: {_name(base) for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {_BASE}
    while more := {name for name, own in bases.items() if own & found} - found:
        found |= more
    return found


class _Module(NamedTuple):
    """A module of the product; *constants* are the texts that any module names."""

    path: Path
    tree: ast.Module
    constants: dict[str, str]


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts that *tree* assigns to names of the module."""
    found = {}
    for node in tree.body:
        target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            target = node.targets[0]
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, (ast.Constant, ast.JoinedStr)):
            text = _texts(value, _Scope({}, {}))
            found.update(dict.fromkeys([target.id], text[0]) if text else {})
    return found


class _Scope(NamedTuple):
    """What names stand for where a message is written."""

    local: dict[str, list[ast.expr]]
    constants: dict[str, str]


def _texts(node: ast.expr, scope: _Scope) -> list[str]:
    """Return what *node* can be as text; nothing if it is built elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(_part(part, scope.constants) for part in node.values)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [a + b for a, b in product(_texts(node.left, scope), _texts(node.right, scope))]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, scope), *_texts(node.orelse, scope)]
    return _named_texts(node.id, scope) if isinstance(node, ast.Name) else []


def _named_texts(name: str, scope: _Scope) -> list[str]:
    """Return the texts that *name* stands for, of the function or else of the product."""
    if name not in scope.local:
        return [scope.constants[name]] if name in scope.constants else []
    inner = _Scope({}, scope.constants)
    return [text for each in scope.local[name] for text in _texts(each, inner)]


def _part(part: ast.expr, constants: dict[str, str]) -> str:
    """Return a part of an f-string: its text, that of a constant, or an expression in braces."""
    if not isinstance(part, ast.FormattedValue):
        return str(getattr(part, "value", ""))
    expression = ast.unparse(part.value)
    return constants.get(expression.rpartition(".")[2], f"{{{expression}}}")


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the values that *function* assigns to each of its names."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def _calls(
    node: ast.AST, inside: str, function: ast.AST
) -> Iterator[tuple[ast.Call, str, ast.AST]]:
    """Yield each call with the class and the function that it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, inside, function
        name = child.name if isinstance(child, ast.ClassDef) else inside
        is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield from _calls(child, name, child if is_function else function)


def _scope(function: ast.AST, constants: dict[str, str]) -> _Scope:
    """Return what the names in *function* stand for; the last text wins inside of another."""
    local = _assigned(function)
    texts = {name: _texts(ast.Name(name), _Scope(local, constants)) for name in local}
    inner = {name: found[-1] for name, found in texts.items() if found}
    return _Scope(local, {**constants, **inner})


class _Frame(NamedTuple):
    """What the ``__init__`` of an error writes around its *parameters*."""

    parameters: list[str]
    text: str

    def fill(self, arguments: Sequence[str]) -> str:
        """Return the text with *arguments* in place of the parameters."""
        text = self.text
        for name, argument in zip(self.parameters, arguments, strict=False):
            text = text.replace(f"{{{name}}}", argument)
        return text

    def ends_with_parameter(self) -> bool:
        """Return whether the text ends as the caller decides."""
        return self.text.endswith(tuple(f"{{{name}}}" for name in self.parameters))


def _frames(modules: Iterable[_Module]) -> dict[str, _Frame]:
    """Return the frame of each class that writes one, by the name of the class."""
    return {
        inside: _Frame([each.arg for each in function.args.args[1:]], text)
        for module in modules
        for call, inside, function in _calls(module.tree, "", module.tree)
        if ast.unparse(call.func) == "super().__init__" and call.args
        if isinstance(function, ast.FunctionDef)
        for text in _texts(call.args[0], _scope(function, module.constants))
    }


def _arguments(call: ast.Call, scope: _Scope) -> list[tuple[str, ...]]:
    """Return the texts that the arguments of *call* can be; nothing if none is a text."""
    each = [_texts(node, scope) for node in call.args]
    if not any(each):
        return []
    return list(
        product(
            *(
                texts or [f"{{{ast.unparse(node)}}}"]
                for texts, node in zip(each, call.args, strict=True)
            )
        )
    )


def _messages_of(call: ast.Call, frame: _Frame | None, scope: _Scope) -> list[str]:
    """Return the messages that *call* can make."""
    found = _arguments(call, scope)
    if frame is None:
        return [texts[0] for texts in found]
    if found:
        return [frame.fill(texts) for texts in found]
    return [] if frame.ends_with_parameter() else [frame.text]


def _read(folders: Sequence[str]) -> list[_Module]:
    """Read the modules of *folders*."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    shared: dict[str, str] = {}
    for tree in trees.values():
        shared.update(_constants(tree))
    return [_Module(path, tree, {**shared, **_constants(tree)}) for path, tree in trees.items()]


def messages(folders: Sequence[str]) -> Iterator[Message]:
    """Yield each message that the code of *folders* writes for an error of the product."""
    modules = _read(folders)
    errors = _error_classes(module.tree for module in modules)
    frames = _frames(modules)
    for module in modules:
        for call, _, function in _calls(module.tree, "", module.tree):
            error = _name(call.func)
            if error not in errors or not call.args:
                continue
            place = f"{module.path.relative_to(ROOT)}:{call.lineno}"
            scope = _scope(function, module.constants)
            for text in _messages_of(call, frames.get(error), scope):
                yield Message(place, error, text)


#: Verbs that begin an instruction, and programs that are the instruction itself.
VERBS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        abandon add apply apt archive ask assign attach begin bind bootstrap build call cancel
        change check chmod choose close compare complete connect continue copy correct create
        declare decrypt delete deliver deploy derive do drop edit encrypt end erase export fetch
        find fix forward get give go grant handle have improve increase install issue keep leave
        let list load log look make mark mend migrate move name open pass percent pip plan put
        provide raise read record reduce remove rename repair repeat replace request reserve
        restart restore retire return review revoke rotate run save schedule scrape see select
        send set shorten split start stop store take treat try undelete undo unseal unset upgrade
        use verify wait watch widen write
        """,
    )
)
#: Placeholders whose text says what to do: an error that is passed on, and parts of messages.
BUILT_ELSEWHERE: Final = frozenset(
    {
        "error",
        "refusal",
        "problems",
        "problem",
        "hint",
        "hint_names",
        "fix",
        "REMEDIES",
        "_REMEDIES",
        "_describe",
        "_hint",
        "_replacement",
        "unsupported",
    }
)
#: Messages without an instruction, each with its reason.
EXCEPTIONS: Final = {
    "memory://vault cannot be reached (an injected fault)": "the test itself injected it",
    "memory://vault cut the connection (an injected fault)": "the test itself injected it",
    "{name} is unchanged": "the operator declined, so that nothing is left to do",
    "{way} cannot be filled with a secret: {reason}": "each reason ends with what to do",
    "nothing was written:\n{text}": "each line of the declaration's errors says what to do",
    "{what}: {shown}; {remedy}": "each caller's remedy says what to do",
    "interrupted; {state}": "each state ends with what to do",
    **dict.fromkeys(
        (
            "it has bytes after its end",
            "it is not compressed by zstandard, or was altered",
            "it ends too early, or has bytes after its end",
            "it is no file of a segment, or its header was altered",
        ),
        "the command, which knows the archive, adds what to do",
    ),
    **dict.fromkeys(
        (
            "a name is not that of an environment variable",
            "a name looks like part of a key",
            "a name begins with a digit",
        ),
        "find_secret_name answers None; each other caller passes names that it checked",
    ),
    **dict.fromkeys(
        (
            "the response is not that of Alertmanager's API",
            "the response has the status {response.status_code}",
            "the response has more than {MAX_RESPONSE} bytes",
            "the response was not complete in time",
        ),
        "a reason, to which the caller adds the address and what to check there",
    ),
}
#: What an instruction may begin with before its verb.
_LEAD: Final = re.compile(
    r"(?:or|and|then|else|otherwise|first|so|nothing was \w+;|to \w+[^,]*,|if [^,]*,|on [^,]*,"
    r"|in [^,]*,|as an operator,)\s+|\{[^{}]*\}",
    re.IGNORECASE,
)
_CLAUSE_END: Final = re.compile(r"[;:.?]\s|,\s(?=or |and |then )|,\s|\s\(|\n")
_EXPECTED: Final = re.compile(r"(?<![a-z])expected ")
_STARTS: Final = re.compile(r"[a-z{'\"-]|[A-Z][A-Za-z]*[A-Z_]|(?:PostgreSQL|Prometheus|Redis)\b")


def _is_instruction(clause: str) -> bool:
    """Return whether *clause* begins with a verb that says what to do."""
    while lead := _LEAD.match(clause):
        clause = clause[lead.end() :]
    return re.split(r"\W", clause, maxsplit=1)[0].lower() in VERBS


def _is_passed_on(text: str) -> bool:
    """Return whether a placeholder of *text* holds an instruction."""
    fields = re.findall(r"\{([^{}]*)\}", text)
    return any(
        BUILT_ELSEWHERE.intersection(re.findall(r"\w+", field))
        for field in fields
        if not re.search(r"strerror|__name__|errno", field)
    )


def says_what_to_do(text: str) -> bool:
    """Return whether a clause of *text* after its first is an instruction, or what is expected."""
    clauses = _CLAUSE_END.split(text)[1:]
    return bool(_EXPECTED.search(text)) or any(map(_is_instruction, clauses)) or _is_passed_on(text)


def test_messages_say_what_failed_and_what_to_do() -> None:
    found = list(messages(PRODUCT))
    assert len(found) > 800
    assert [each for each in found if not _STARTS.match(each.text)] == []
    lacking = [each for each in found if not says_what_to_do(each.text)]
    assert [each for each in lacking if each.text not in EXCEPTIONS] == []
    assert {*EXCEPTIONS} == {each.text for each in lacking}
    assert len(EXCEPTIONS) < 25
