"""Uses of secrets, keys and roles in the code of an application, by the names of the SDK."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from policies.needs.python_module import PythonModule, read_modules
from policies.needs.sdk_names import (
    ANYTHING,
    COMMANDS,
    DJANGO,
    INNER,
    NAMES,
    UNKNOWN,
    Kind,
    Parameter,
)
from vault.declare.load import display_path

#: Folders that have no code of the application, beside hidden ones and virtual environments.
_SKIPPED: Final = frozenset(("__pycache__", "node_modules", "site-packages", "tests", "test"))
_TESTS: Final = re.compile(r"test_.*|.*_test\.py|conftest\.py")
_TEXTS: Final = (".md", ".rst", ".txt")
_COMMAND: Final = re.compile(rf"-m[\s\"',]+app_integration[\s\"',]+({'|'.join(COMMANDS)})\b")
#: Bytes of the largest file that is read. Scripts and manifests are smaller.
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """A use. In *name*, ``*`` stands for text that is not known. *place* is ``file:line``."""

    kind: Kind
    name: str
    operations: tuple[str, ...]
    is_certain: bool
    place: str
    text: str

    @property
    def is_known(self) -> bool:
        """Return whether all of the name is known."""
        return UNKNOWN not in self.name


def find_uses(root: Path) -> list[Use]:
    """Return each use in the Python code below *root*, and in scripts that run the SDK's commands.

    Raises:
        ConfigurationError: A file is not Python.

    """
    texts = {path: text for path in _walk(root) if (text := _read(path)) is not None}
    code = {path: text for path, text in texts.items() if path.suffix == ".py"}
    try:
        modules = read_modules(root, code)
    except SyntaxError as error:
        raise ConfigurationError(
            f"{error.filename}:{error.lineno}: is not Python {error.msg}; correct it"
        ) from None
    found = [use for module in modules.values() for use in _find_in_module(module)]
    return [*found, *(use for path, text in texts.items() for use in _find_commands(path, text))]


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED
            and not name.startswith(".")
            and not (here / name / "pyvenv.cfg").exists()
        )
        yield from (
            here / name
            for name in sorted(files)
            if not _TESTS.fullmatch(name) and not name.endswith(_TEXTS)
        )


def _read(path: Path) -> str | None:
    """Return the text of a file, None of one that is too large or has none."""
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _find_commands(path: Path, text: str) -> Iterator[Use]:
    for found in _COMMAND.finditer(text):
        place = f"{display_path(path)}:{text.count(chr(10), 0, found.start()) + 1}"
        yield from _unknown(COMMANDS[found[1]], place, f"app_integration {found[1]}")


def _find_in_module(module: PythonModule) -> Iterator[Use]:
    fields = dict(_find_fields(module.tree))
    called = set[ast.expr]()
    for node in ast.walk(module.tree):
        place = f"{module.file}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Call(func=function):
                called.add(function)
                name = module.find_sdk_name(function)
                for parameter in NAMES.get(name or "", ()):
                    yield from _find_in_call(module, node, parameter, f"{name}()", fields.get(node))
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) if node not in called:
                name = module.find_sdk_name(node)
                yield from _unknown(NAMES.get(name or "", ()), place, f"{name} is passed on")
            case ast.Dict():
                yield from _find_in_settings(module, node, place)
            case ast.Import() | ast.ImportFrom():
                for name in filter(INNER.match, _imported(node)):
                    yield from _unknown(ANYTHING, place, f"{name} is imported")


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    start = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
    return [f"{start}{each.name}" for each in node.names]


def _unknown(parameters: Iterable[Parameter], place: str, text: str) -> Iterator[Use]:
    for each in parameters:
        name = UNKNOWN if each.keyword else each.default or UNKNOWN
        yield Use(each.kind, name, each.operations, False, place, text)


def _find_in_call(
    module: PythonModule, call: ast.Call, parameter: Parameter, text: str, field: str | None
) -> Iterator[Use]:
    given = {each.arg: each.value for each in call.keywords}
    argument = given.get(parameter.keyword) if parameter.keyword else None
    if argument is None and parameter.position is not None:
        argument = next(iter(call.args[parameter.position : parameter.position + 1]), None)
    if any(_is_given(given.get(name)) for name in parameter.unless):
        return
    default = parameter.default or field
    if argument is None and None in given and parameter.keyword:  # in **options
        default = UNKNOWN
    names = module.texts(argument) if argument else [default] if default else []
    for name in names:
        place = f"{module.file}:{call.lineno}"
        yield Use(parameter.kind, name, parameter.operations, parameter.is_certain, place, text)


def _is_given(argument: ast.expr | None) -> bool:
    return argument is not None and not (
        isinstance(argument, ast.Constant) and argument.value is None
    )


def _find_fields(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each call in the annotation of a field, with the name that a mark there may stand for.

    The name begins with those of the fields that the class is nested in; an alias is not known.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            has_alias = "alias" in ast.dump(node)
            name = node.target.id.lower().replace("_", "-")
            for each in ast.walk(node.annotation):
                yield each, UNKNOWN if has_alias else f"{UNKNOWN}{name}"


def _find_in_settings(module: PythonModule, settings: ast.Dict, place: str) -> Iterator[Use]:
    """Yield what a database or a cache in Django's settings uses."""
    entries = _entries(settings)
    engine = entries.get("ENGINE") or entries.get("BACKEND")
    name = (module.texts(engine) or [""])[0] if engine else ""
    options = entries.get("OPTIONS")
    keywords = [ast.keyword(key, value) for key, value in _entries(options).items()]
    call = ast.Call(ast.Name(name), [], keywords, lineno=settings.lineno)
    for start, parameters in DJANGO.items():
        if name.startswith(start):
            for parameter in parameters:
                yield from _find_in_call(module, call, parameter, f"{name} at {place}", None)


def _entries(settings: ast.expr | None) -> dict[str, ast.expr]:
    if not isinstance(settings, ast.Dict):
        return {}
    return {
        key.value: value
        for key, value in zip(settings.keys, settings.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
