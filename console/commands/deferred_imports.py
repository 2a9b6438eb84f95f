"""Imports that a module does when it uses their names, as ``lazy import`` of PEP 810 will.

The help of a command needs its signature, but its module imports what the command works with.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from inspect import CO_OPTIMIZED
from types import CodeType, ModuleType
from typing import Any, Final

#: Modules that defer their imports. Typer's imports Markdown and tracebacks, which no help has.
_MODULES: Final = ("console.", "typer.rich_utils")


def defer_imports() -> None:
    """Let those of the modules that are imported from now on defer their imports."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module that defers its imports, or None for any other."""
        spec = PathFinder.find_spec(name, path, target) if name.startswith(_MODULES) else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Run the statements of *module* but for its imports."""
        tree = ast.parse(self.get_data(self.path))
        deferred = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
        tree.body = [each for each in tree.body if each not in deferred or _is_future(each)]
        names = _Names(vars(module), deferred)
        code = compile(tree, self.path, "exec", annotations.compiler_flag)
        for name in _names_in_classes(code):
            names.get_or_import(name)
        exec(code, names)  # noqa: S102 (the module's own statements)
        vars(module).update(names, __getattr__=names.find)


class _Names(dict[str, Any]):
    """Globals of a module, whose *imports* happen when one of their names is used."""

    def __init__(self, names: dict[str, Any], imports: list[ast.Import | ast.ImportFrom]) -> None:
        super().__init__(names)
        self._imports = {
            each.asname or each.name.partition(".")[0]: statement
            for statement in imports
            for each in statement.names
        }

    def __missing__(self, name: str) -> Any:
        """Import *name*, or raise KeyError, after which Python looks among the builtins."""
        statement = ast.Module([self._imports[name]], [])
        exec(compile(statement, self["__file__"], "exec"), self)  # noqa: S102 (an import)
        return self[name]

    def get_or_import(self, name: str) -> None:
        """Import *name*, if an import binds it."""
        if name in self._imports:
            self[name]

    def find(self, name: str) -> Any:
        """Return an attribute of the module that only an import binds."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _names_in_classes(code: CodeType) -> Iterator[str]:
    """Yield the names that bodies of classes use. Python does not call ``__missing__`` for them."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if not each.co_flags & CO_OPTIMIZED:
                yield from each.co_names
            yield from _names_in_classes(each)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
