"""Module of an application: the texts that its expressions stand for, as far as they are known."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from policies.needs.sdk_names import UNKNOWN
from vault.declare.load import display_path

_SDK: Final = "app_integration"
#: Names that lead to names: more than any code has, fewer than a circle.
_DEPTH: Final = 20
_UNKNOWNS: Final = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class Imported:
    """A name of a module, or the module itself if *name* is empty."""

    module: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class PythonModule:
    """A module: the names that are bound once in it, and all modules that it may import."""

    file: str
    tree: ast.Module
    known: Mapping[str, ast.expr | Imported]
    others: Mapping[str, PythonModule] = field(repr=False)

    def texts(self, expression: ast.expr, depth: int = 0) -> list[str]:
        """Return the texts that *expression* may be, or contain; what is not known is ``*``."""
        known: list[str] = [UNKNOWN]
        match expression:
            case ast.Constant(value=str(text)):
                known = [text]
            case ast.Constant(value=None):
                known = []
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                known = [text for part in parts for text in self.texts(part, depth)]
            case ast.Starred(value=inner) | ast.FormattedValue(value=inner, conversion=-1):
                known = self.texts(inner, depth)
            case ast.IfExp(body=one, orelse=other):
                known = [*self.texts(one, depth), *self.texts(other, depth)]
            case ast.JoinedStr(values=parts):
                known = [self._join(parts, depth)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                known = [self._join([left, right], depth)]
            case ast.Name() | ast.Attribute():
                known = self._texts_of_name(expression, depth + 1)
        return known

    def find_sdk_name(self, expression: ast.expr, depth: int = 0) -> str | None:
        """Return the name in the SDK that *expression* stands for, None if it is none."""
        found, owner = self._resolve(expression)
        if isinstance(found, Imported):
            return found.name if found.module.split(".")[0] == _SDK else None
        return owner.find_sdk_name(found, depth + 1) if found and depth < _DEPTH else None

    def _join(self, parts: list[ast.expr], depth: int) -> str:
        texts = [self.texts(part, depth) for part in parts]
        joined = "".join(each[0] if len(each) == 1 else UNKNOWN for each in texts)
        return _UNKNOWNS.sub(UNKNOWN, joined)

    def _texts_of_name(self, expression: ast.expr, depth: int) -> list[str]:
        found, owner = self._resolve(expression)
        if found is None or isinstance(found, Imported) or depth > _DEPTH:
            return [UNKNOWN]
        return owner.texts(found, depth)

    def _resolve(self, expression: ast.expr) -> tuple[ast.expr | Imported | None, PythonModule]:
        """Return what a name is bound to, and in which module."""
        match expression:
            case ast.Name(id=name):
                return self._look_up(name)
            case ast.Attribute(value=value, attr=attribute):
                module = self._module_of(value)
                if module in self.others:
                    return self.others[module]._look_up(attribute)  # noqa: SLF001 (of this class)
                if module:
                    return Imported(module, attribute), self
                bound = self.known.get(attribute)  # of a class, if it has the name of no other
                return (None if isinstance(bound, Imported) else bound), self
        return None, self

    def _look_up(
        self, name: str, depth: int = 0
    ) -> tuple[ast.expr | Imported | None, PythonModule]:
        bound = self.known.get(name)
        if isinstance(bound, Imported) and bound.module in self.others and depth < _DEPTH:
            other = self.others[bound.module]
            return other._look_up(bound.name, depth + 1)  # noqa: SLF001 (of this class)
        return bound, self

    def _module_of(self, expression: ast.expr) -> str:
        """Return the module that *expression* stands for, or nothing."""
        match expression:
            case ast.Name(id=name):
                bound = self.known.get(name)
                if not isinstance(bound, Imported):
                    return ""
                whole = f"{bound.module}.{bound.name}" if bound.name else bound.module
                is_module = not bound.name or whole in self.others
                return whole if is_module else ""
            case ast.Attribute(value=value, attr=attribute):
                outer = self._module_of(value)
                return f"{outer}.{attribute}" if outer else ""
        return ""


def read_modules(root: Path, files: Mapping[Path, str]) -> dict[str, PythonModule]:
    """Return the modules of *files*, each path with its text, by their names below *root*.

    A module has several names, because any folder above it may be one to import from. Of several
    modules that share a name, that is none. Raise SyntaxError with the file for one that is not
    Python.
    """
    modules: dict[str, PythonModule] = {}
    named: dict[str, PythonModule] = {}
    shared = Counter[str]()
    for path, text in sorted(files.items()):
        place = PurePosixPath(path.relative_to(root).as_posix())
        tree = ast.parse(text, str(path))
        dotted = place.with_suffix("").parts
        parts = dotted[:-1] if dotted[-1] == "__init__" else dotted
        module = PythonModule(display_path(path), tree, _find_known(tree, dotted), named)
        modules[str(place)] = module
        names = {".".join(parts[start:]) for start in range(len(parts))}
        shared.update(names)
        named |= dict.fromkeys(names, module)
    for name in [name for name, count in shared.items() if count > 1 or name.split(".")[0] == _SDK]:
        del named[name]
    return modules


def _find_known(tree: ast.Module, place: tuple[str, ...]) -> dict[str, ast.expr | Imported]:
    """Return what each name is bound to that is bound once, in whatever scope."""
    bound: dict[str, ast.expr | Imported] = {}
    times = Counter[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                bound.setdefault(name, value)  # an import wins: a fallback stands beside it
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                bound.setdefault(name, value)
            case ast.Import(names=aliases):
                for each in aliases:
                    name = each.asname or each.name.split(".")[0]
                    bound[name] = Imported(each.name if each.asname else name)
            case ast.ImportFrom(names=aliases):
                module = _find_module(node, place)
                bound |= {each.asname or each.name: Imported(module, each.name) for each in aliases}
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                times[name] += 1
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                times[name] += 2
    return {name: value for name, value in bound.items() if times[name] <= 1}


def _find_module(node: ast.ImportFrom, place: tuple[str, ...]) -> str:
    base = place[: -node.level] if node.level else ()
    return ".".join((*base, *([node.module] if node.module else ())))
