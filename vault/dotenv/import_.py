"""Carrying out the import of a ``.env`` file: declare, write, apply, prove, and only then swap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from app_integration.errors import RequestRefused
from app_integration.names import VALUE_KEY
from app_integration.observability import redaction
from app_integration.session.session import Session
from vault.declare import load
from vault.declare.edit import service_file as edit
from vault.dotenv import swap
from vault.dotenv.plan import ImportPlan
from vault.dotenv.proof import Read, prove, same
from vault.dotenv.swap import Say
from vault.reconcile.resources.secrets import data_path, write_value


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """What an import works on.

    Attributes:
        service_file: the service's file in the declaration.
        template_root: see :func:`vault.declare.load.load`.
        session: the operator's login; it may read and write the service's secrets.
        apply: loads the declaration anew and applies it, tags of secrets and policies included;
            gives the number of changes.
        read: see :func:`vault.dotenv.proof.service_reader`.

    """

    service_file: Path
    session: Session
    apply: Callable[[], int]
    read: Read
    template_root: Path = load.TEMPLATES


def run(plan: ImportPlan, deployment: ImportTarget, say: Say) -> bool:
    """Carry out *plan*; whether anything changed.

    After a failure or a kill the old file is in place until the last step, and the same import,
    planned again, goes on where this one stopped.

    Raises:
        ConfigurationError: the files couldn't be put in place; nothing was sent.
        DeclarationError: the declaration wouldn't hold with the new names; nothing was sent.
        ValuesDiffer: the service doesn't read what the file says; the file is as it was.
        StrongroomError: the server refused or was away; the file is as it was.

    """
    swap.check(plan)
    for value in plan.values.values():
        redaction.live.add(value)
    for note in plan.notes:
        say(f"note: {note}")
    changes = _declare(plan, deployment, say)
    if plan.secrets:
        changes += _write(plan, deployment.session, say) + deployment.apply()
        prove(plan.values, deployment.read, f"{plan.file.path} is as it was; run the import again")
        say(f"{len(plan.secrets)} secrets read back as {plan.scope}: equal")
    changes += swap.swap(plan, say)
    if not changes:
        say(f"nothing to do: {plan.file.path} holds no secret that isn't imported")
    return bool(changes)


def _declare(plan: ImportPlan, deployment: ImportTarget, say: Say) -> int:
    path, templates = deployment.service_file, deployment.template_root
    if plan.new_secrets:
        edit.add_secrets(path, plan.new_secrets, templates)
        say(f"declared as secrets in {path}: {', '.join(plan.new_secrets)}")
    if plan.new_settings:
        edit.add_settings(path, plan.new_settings, templates)
        names = ", ".join(plan.new_settings)
        say(f"declared as settings in {path}, with the file's values as defaults: {names}")
    return len(plan.new_secrets) + len(plan.new_settings)


def _write(plan: ImportPlan, session: Session, say: Say) -> int:
    """Write the values that the server doesn't have; how many those were."""
    written = 0
    for name, variable in plan.secrets.items():
        path = plan.scope.secret(name)
        current, version = _current(session, path)
        if current is not None and same(current, variable.value):
            say(f"{name}: the server has it already, version {version}")
            continue
        # Check-and-set: what somebody else writes in between isn't lost unseen.
        new = write_value(session, path, variable.value, cas=version)
        say(f"{name}: written from {variable.name}, version {new}")
        written += 1
    return written


def _current(session: Session, path: str) -> tuple[str | None, int]:
    """Value and version of the secret at *path*; no value where it is deleted or was none."""
    try:
        data = session.get(data_path(path))["data"]
    except RequestRefused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None, (refused.data or {}).get("metadata", {}).get("version", 0)
    value = data["data"].get(VALUE_KEY)
    return value if isinstance(value, str) else None, data["metadata"]["version"]
