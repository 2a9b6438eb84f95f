"""Replacement of a ``.env`` file by one without secrets, with a backup until ``--finish``.

Each file is written in one step, and the new ``.env`` last. If the process is killed before that,
the old file is still in place, and the import can run again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from vault.declare import counts
from vault.dotenv import parse
from vault.dotenv.accounts import choose_accounts
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import Provided
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.plan import ImportPlan
from vault.dotenv.proof import ReadSecret, values_equal, verify_values
from vault.dotenv.text import assignment, remove_secrets
from vault.dotenv.variable_names import find_secret_name, names_in_file
from vault.dotenv.worktree import check_ignored

#: Receives one line of progress, which never contains a value.
ProgressCallback = Callable[[str], None]

BACKUP_SUFFIX: Final = ".before-strongroom"
_EXAMPLE_MODE: Final = 0o644
_EXAMPLE_HEAD: Final = "# Written by strongroom import-env: the variables of "


def backup_path(path: Path) -> Path:
    """Return the path of the backup of the old ``.env``, which exists until ``--finish``."""
    return path.with_name(path.name + BACKUP_SUFFIX)


def example_path(path: Path) -> Path:
    """Return the path of ``.env.example`` in the folder of *path*, which may be committed."""
    return path.with_name(".env.example")


def check(file: DotenvFile, *, has_secrets: bool) -> None:
    """Check before an import that its files can be put in place."""
    path = file.path
    if path.name == example_path(path).name:
        raise ConfigurationError(
            f"{path} is the example that an import writes; pass the .env file itself"
        )
    if not has_secrets:
        return
    backup = backup_path(path)
    check_ignored(backup)
    if backup.exists() and backup.read_bytes() != file.content:
        raise ConfigurationError(
            f"{backup} is the backup of an earlier import; complete that one with --finish, and if "
            "it keeps values, move or delete it"
        )


def swap(
    plan: ImportPlan, say: ProgressCallback, settings: Mapping[str, str | int | bool] | None = None
) -> bool:
    """Write the example, back up the old file, and replace it by one without secrets."""
    path = plan.file.path
    if path.read_bytes() != plan.file.content:
        raise ConfigurationError(f"{path} changed while it was imported; run the import again")
    changed = _write_example(plan, say)
    if not plan.has_secrets:
        return changed
    status = path.stat()
    owner = (status.st_uid, status.st_gid)
    write_private(backup_path(path), plan.file.content, owner=owner)
    say(f"kept the old file as {backup_path(path)}")
    local = plan.local_mail(settings or {})
    secrets, parts = plan.variables(Kind.SECRET), plan.variables(Kind.PART)
    _publish(path, remove_secrets(plan.file, secrets, parts, local), status)
    for name, value in local.items():
        say(f"note: {name} is {value} in {path}, as this machine's mail server needs it")
    others = " and skipped variables" if plan.variables(Kind.SKIP) else ""
    say(f"replaced {path} by a file with its settings{others} only")
    return True


def finish(
    path: Path,
    declared: DeclaredVariables,
    read: ReadSecret,
    say: ProgressCallback,
    provided: Provided | None = None,
) -> bool:
    """Delete the backup after a check that no variable in it would be lost.

    A value that the deployment has replaced by its own is nowhere else, so it stays in the backup.
    Returns whether there was a backup.
    """
    backup = backup_path(path)
    if not backup.exists():
        say(f"nothing to finish: {backup} does not exist")
        return False
    old, now = parse.read(backup), parse.read(path).variables
    declared, provided = declared.under(names_in_file(old, now)), provided or Provided()
    _check_none_back(old, path, now, declared)
    kept_secrets = frozenset(name for name, each in old.variables.items() if _is_kept(each, now))
    accounts = choose_accounts(old, declared, Choices(skipped=kept_secrets), provided)
    _check_nothing_lost(old, path, {*now, *accounts.verdicts}, declared)
    expected = {
        secret: variable
        for name, variable in old.variables.items()
        if (secret := declared.secret_name(name)) and not _is_kept(variable, now)
    } | accounts.secrets
    kept = _pop_replaced(expected, read, provided)
    hint = f"{backup} stays; if they were changed on purpose, delete it yourself"
    verify_values({name: each.value for name, each in expected.items()}, read, hint)
    count = counts.render(len(expected), "secret")
    say(f"{count} compared with the values on the server: equal")
    if kept:
        names = [name for each in kept for name in each.name.split(", ")]
        lines = [assignment(name, old.variables[name].value) for name in names]
        write_private(backup, "".join(lines))
        say(
            f"{backup} keeps {', '.join(names)} only, whose values are nowhere else; "
            "delete it when you need them no more"
        )
        return True
    backup.unlink()
    say(f"deleted {backup}")
    return True


def _check_none_back(
    old: DotenvFile, path: Path, now: Mapping[str, Variable], declared: DeclaredVariables
) -> None:
    """Check that no secret is in the new file again, as after ``export-env``.

    One with the value of the backup may have been skipped, but not if nothing else was removed.
    """
    declared_names = declared.secret_names
    found = [name for name in now if find_secret_name(name) in declared_names]
    skipped = {name for name, each in old.variables.items() if _is_kept(each, now)}
    if not skipped.issuperset(found) or (found and old.variables.keys() <= now.keys()):
        raise ConfigurationError(
            f"{path} has secrets again: {', '.join(found)}; move {old.path} elsewhere, or delete "
            f"it if you need its values no more, and import {path} again before --finish"
        )


def _pop_replaced(
    expected: dict[str, Variable], read: ReadSecret, provided: Provided
) -> list[Variable]:
    """Remove from *expected*, and return, what the deployment has replaced, and equal values."""
    replaced = [
        variable.value
        for secret, variable in expected.items()
        if secret in provided.values and not values_equal(read(secret), variable.value)
    ]
    return [
        expected.pop(secret)
        for secret, variable in list(expected.items())
        if any(values_equal(variable.value, value) for value in replaced)
    ]


def _is_kept(variable: Variable, now: Mapping[str, Variable]) -> bool:
    """Return whether the new file still has *variable*, because it was skipped."""
    return variable.name in now and values_equal(now[variable.name].value, variable.value)


def _check_nothing_lost(
    old: DotenvFile, path: Path, now: Collection[str], declared: DeclaredVariables
) -> None:
    lost = [
        name
        for name in old.variables
        if not declared.secret_name(name) and name not in now and name not in declared.settings
    ]
    if lost:
        raise ConfigurationError(
            f"{', '.join(lost)} would be lost with {old.path}: neither a declared secret nor in "
            f"{path}; put them back there, or delete the old file yourself"
        )


def render_example(plan: ImportPlan) -> str:
    """Return the text of ``.env.example``: settings with values, secrets as comments."""
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


def _write_example(plan: ImportPlan, say: ProgressCallback) -> bool:
    path, content = example_path(plan.file.path), render_example(plan)
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before == content:
        return False
    if before is not None and not before.startswith(_EXAMPLE_HEAD):
        write_private(backup_path(path), before)
        say(f"kept the old {path.name} as {backup_path(path)}")
    status = plan.file.path.stat()
    _publish(path, content, status, mode=_EXAMPLE_MODE)
    say(f"wrote {path}")
    return True


def _publish(path: Path, content: str, like: os.stat_result, mode: int | None = None) -> None:
    """Replace *path* in one step by a file that belongs to the same user as *like*.

    The content is first written to a temporary file in the same folder. Its name is constant, so
    that the next run overwrites it after a kill. If *mode* is None, the mode is that of *like*.
    """
    staged = path.with_name(f".{path.name}.strongroom")
    write_private(staged, content, owner=(like.st_uid, like.st_gid))
    staged.chmod(stat.S_IMODE(like.st_mode) if mode is None else mode)
    staged.replace(path)
