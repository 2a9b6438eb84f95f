"""Texts of policies: of a file, of a repository now or at a commit, or of the server."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app_integration.errors import ConfigurationError
from console.target.sessions import open_operator_session
from console.target.target import Target
from policies.acl.policy import Policy, read_policy
from policies.render import render_policies
from vault.declare import repository
from vault.declare.load import display_path
from vault.declare.server_names import PLAN_JOB
from vault.reconcile.hcl.tree import HclError
from vault.reconcile.resources import read_data

SERVER: Final = "server"
_TIMEOUT: Final = 60.0  # seconds


def read_policies(source: str, target: Target) -> Mapping[str, Policy]:
    """Return the policies of the target's environment by name, or the one of a file.

    *source* is ``server``, a file, the folder of a repository, or a commit of the current one.
    """
    if source == SERVER:
        texts = _read_server(target)
    elif (path := Path(source)).is_file():
        return {path.stem: _parse(path.stem, path.read_text(), display_path(path))}
    elif path.is_dir():
        texts = _render(path, target)
    else:
        texts = _render_commit(source, target)
    return {name: _parse(name, text, f"{source}:{name}") for name, text in sorted(texts.items())}


def _parse(name: str, text: str, file: str) -> Policy:
    try:
        return read_policy(name, text, file)
    except HclError as error:
        raise ConfigurationError(f"{error}; correct it, so that it can be compared") from None


def _read_server(target: Target) -> Mapping[str, str]:
    """Return the policies on the server that the declaration has, and that are there."""
    declared = render_policies(target.declaration, target.environment)
    with open_operator_session(target, PLAN_JOB) as session:
        found = {name: read_data(session, f"sys/policies/acl/{name}") for name in declared}
    return {name: data["policy"] for name, data in found.items() if data is not None}


def _render(folder: Path, target: Target) -> Mapping[str, str]:
    declared = repository.read(folder.absolute()).load()
    return render_policies(declared, target.environment)


def _render_commit(commit: str, target: Target) -> Mapping[str, str]:
    root = target.checkout.repository.root
    command = ["git", "-C", os.fspath(root), "archive", "--format=tar", commit, "."]
    try:
        result = subprocess.run(command, check=False, capture_output=True, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"git cannot be run: {error}; see that it is installed") from None
    if result.returncode:
        raise ConfigurationError(
            f"{commit!r} is no file, folder or commit here, and not {SERVER!r}; name one of these"
        )
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
            archive.extractall(folder, filter="data")
        return _render(Path(folder), target)
