"""Putting a ``.env`` file without secrets in place of the old one, which is kept until proven.

Each file appears whole, the last of them the new ``.env``. Killed before that, the old file is
still in place, and the import can run again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.dotenv import parse
from vault.dotenv.classify import Kind
from vault.dotenv.plan import ImportPlan, Known, known
from vault.dotenv.proof import Read, prove
from vault.dotenv.text import assignment, without
from vault.dotenv.worktree import refuse_unless_ignored

#: Takes one line of progress; never a value.
Say = Callable[[str], None]

KEPT: Final = ".before-strongroom"
_EXAMPLE_MODE: Final = 0o644
_EXAMPLE_HEAD: Final = "# Written by strongroom import-env: the variables of "


def kept_path(path: Path) -> Path:
    """Where the old ``.env`` is kept until ``--finish``."""
    return path.with_name(path.name + KEPT)


def example_path(path: Path) -> Path:
    """The file that may be committed, beside *path*."""
    return path.with_name(".env.example")


def check(plan: ImportPlan) -> None:
    """Refuse an import whose files couldn't be put in place.

    Raises:
        ConfigurationError: git would commit the old file, another one is still kept, or the
            file is the example itself.

    """
    path = plan.file.path
    if path.name == example_path(path).name:
        raise ConfigurationError(f"{path} is what an import writes; give the .env file itself")
    if not plan.secrets:
        return
    kept = kept_path(path)
    refuse_unless_ignored(kept)
    if kept.exists() and kept.read_bytes() != plan.file.content:
        raise ConfigurationError(
            f"{kept} holds the file of an earlier import; end that one first with --finish"
        )


def swap(plan: ImportPlan, say: Say) -> bool:
    """Keep the old file, write the example, and replace the file; whether anything was written.

    Raises:
        ConfigurationError: the file changed since it was read.

    """
    path = plan.file.path
    if path.read_bytes() != plan.file.content:
        raise ConfigurationError(f"{path} changed while it was imported; run the import again")
    changed = _write_example(plan, say)
    if not plan.secrets:
        return changed
    status = path.stat()
    owner = (status.st_uid, status.st_gid)
    write_private(kept_path(path), plan.file.content, owner=owner)
    say(f"kept the old file as {kept_path(path)}")
    _publish(path, without(plan.file, plan.variables(Kind.SECRET)), status)
    say(f"replaced {path} by its settings")
    return True


def finish(path: Path, declaration: Declaration, scope: Scope, read: Read, say: Say) -> bool:
    """Delete the kept file, once each of its variables is proven to live elsewhere.

    Gives False when no file is kept.

    Raises:
        ValuesDiffer: a secret differs from the kept file; it stays.
        ConfigurationError: a variable is neither a secret nor in the new file.
        StrongroomError: a secret can't be read.

    """
    kept = kept_path(path)
    if not kept.exists():
        say(f"nothing to finish: {kept} is not there")
        return False
    old, declared = parse.read(kept), known(declaration, scope)
    _refuse_loss(old, path, declared)
    expected = {
        secret: variable.value
        for name, variable in old.variables.items()
        if (secret := declared.here(name))
    }
    prove(expected, read, f"{kept} stays; if they were changed on purpose, delete it yourself")
    say(f"{len(expected)} secrets are on the server as they were in the file")
    kept.unlink()
    say(f"deleted {kept}")
    return True


def _refuse_loss(old: parse.DotenvFile, path: Path, declared: Known) -> None:
    now = parse.read(path).variables
    lost = [
        name
        for name in old.variables
        if not declared.here(name) and name not in now and name not in declared.settings
    ]
    if lost:
        raise ConfigurationError(
            f"{', '.join(lost)} would be lost with {old.path}: neither a declared secret nor in "
            f"{path}; put them back there, or delete the old file yourself"
        )


def example(plan: ImportPlan) -> str:
    """Every variable: settings with their values, secrets by where they live."""
    lines = [f"{_EXAMPLE_HEAD}{plan.scope.service}.\n"]
    for name, variable in plan.file.variables.items():
        if plan.kinds[name] is Kind.SETTING:
            lines.append(assignment(name, variable.value))
        elif plan.kinds[name] is Kind.SKIP:
            lines.append(f"# {name}=\n")
    if plan.declared:
        lines.append("\n# Secrets live on the server; an application reads them by these names.\n")
    lines += [f'# {names.variable_name(name)}: get_secret("{name}")\n' for name in plan.declared]
    return "".join(lines)


def _write_example(plan: ImportPlan, say: Say) -> bool:
    path, content = example_path(plan.file.path), example(plan)
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before == content:
        return False
    if before is not None and not before.startswith(_EXAMPLE_HEAD):
        write_private(kept_path(path), before)
        say(f"kept the old {path.name} as {kept_path(path)}")
    status = plan.file.path.stat()
    _publish(path, content, status, mode=_EXAMPLE_MODE)
    say(f"wrote {path}")
    return True


def _publish(path: Path, content: str, like: os.stat_result, mode: int | None = None) -> None:
    """Replace *path* in one step by a file that belongs to the same user as *like*.

    Args:
        path: written beside first, under a name that the next run uses again after a kill.
        content: written as UTF-8.
        like: owner, and mode unless one is given.
        mode: permission bits.

    """
    staged = path.with_name(f".{path.name}.strongroom")
    write_private(staged, content, owner=(like.st_uid, like.st_gid))
    staged.chmod(stat.S_IMODE(like.st_mode) if mode is None else mode)
    staged.replace(path)
