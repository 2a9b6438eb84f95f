"""Own template of a policy: made from the tool's, compared with it, and accepted after a change."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError
from policies import templates
from vault.declare import policy_template, source_file
from vault.declare.errors import DeclarationError, join_names, suggest
from vault.declare.load import display_path
from vault.declare.policy_files import BASES
from vault.declare.source_file import UnreadableFile


def create(folder: Path, name: str) -> Path:
    """Copy the tool's template *name* into *folder*, with its digest in the first line."""
    path = _path(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder, folder=True):
        if os.path.lexists(path):
            raise ConfigurationError(
                f"{display_path(path)} exists; edit it, or pass --accept once you have compared it "
                f"with: strongroom policies diff {name}"
            )
        replace_file(path, _with_digest(name, templates.base(name)).encode(), mode=0o644)
    return path


def accept(folder: Path, name: str) -> Path:
    """Record today's digest of the tool's template in the first line of the repository's own."""
    path = _path(folder, name)
    text = _read(path, name)
    has_line = text.startswith(policy_template.base_line(""))
    rest = text.partition("\n")[2] if has_line else text
    replace_file(path, _with_digest(name, rest).encode(), mode=path.stat().st_mode & 0o777)
    return path


def diff(folder: Path, name: str) -> str:
    """Return the unified diff from the tool's template to the repository's, "" if there is none."""
    path = _path(folder, name)
    own, base = _read(path, name), _with_digest(name, templates.base(name))
    lines = difflib.unified_diff(
        base.splitlines(),
        own.splitlines(),
        f"strongroom/{path.name}",
        display_path(path),
        lineterm="",
    )
    return "".join(f"{line}\n" for line in lines)


def _with_digest(name: str, text: str) -> str:
    return f"{policy_template.base_line(templates.base_digest(name))}\n{text}"


def _path(folder: Path, name: str) -> Path:
    """Return the file that replaces the template *name*."""
    if name not in policy_template.NAMES:
        near = suggest(name, policy_template.NAMES)
        hint = f"; did you mean {near!r}?" if near else ""
        known = join_names(policy_template.NAMES)
        raise ConfigurationError(f"strongroom has no policy {name!r} (expected {known}{hint})")
    if folder.resolve() == BASES.resolve():
        raise ConfigurationError(
            f"{display_path(folder)} contains the tool's own templates; edit them there"
        )
    return folder / f"{name}{policy_template.SUFFIX}"


def _read(path: Path, name: str) -> str:
    try:
        return source_file.read(path, path.parent).decode()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{display_path(path)} does not exist, so that strongroom's own template is used; to "
            f"replace it, run strongroom policies override {name}"
        ) from None
    except UnreadableFile as error:
        raise DeclarationError([error.at(display_path(path))]) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{display_path(path)} is not UTF-8; save it as UTF-8") from None
