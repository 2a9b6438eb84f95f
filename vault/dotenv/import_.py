"""Import of a ``.env`` file: declare, write, apply and verify secrets, then replace the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from app_integration.errors import RequestRefused
from app_integration.names import VALUE_KEY
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare import counts
from vault.declare.edit import service_file as edit
from vault.declare.load import Check
from vault.dotenv import swap
from vault.dotenv.classify import Kind
from vault.dotenv.deployment_secrets import in_scheme_of
from vault.dotenv.parse import Variable
from vault.dotenv.plan import ImportPlan
from vault.dotenv.proof import ReadSecret, values_equal, verify_values
from vault.dotenv.swap import ProgressCallback
from vault.dotenv.worktree import find_committed
from vault.reconcile.resources.kv import data_path, write_value
from vault.reconcile.resources.ownership import Owner, check_secret_owner


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Target of an import: a declaration and a server."""

    service_file: Path
    session: Session
    apply: Callable[[], int]
    read: ReadSecret
    owner: Owner
    check: Check
    deliver: Callable[[], None] = lambda: None
    settings: Callable[[], Mapping[str, str | int | bool]] = dict


def run(plan: ImportPlan, target: ImportTarget, say: ProgressCallback) -> bool:
    """Carry out an import, and return whether anything changed.

    The old file stays in place until the last step. After a failure or a kill, plan and run the
    same import again: it continues where this one stopped.
    """
    swap.check(plan.file, has_secrets=plan.has_secrets)
    replaced = [variable.value for variable in plan.replaced.values()]
    for value in (*plan.values.values(), *replaced):
        redaction.live.add(value)
    for note in plan.notes:
        say(f"note: {note}")
    for name in (*plan.secrets, *plan.twins):
        check_secret_owner(target.session, target.owner, plan.scope.secret(name))
    for note in find_committed(plan.file, plan.variables(Kind.SECRET)):
        say(f"note: {note}")
    changes = _declare(plan, target, say)
    if plan.has_secrets:
        changes += _write_values(plan, target, say) + target.apply()
        hint = f"{plan.file.path} is unchanged; run the import again"
        verify_values(plan.values, target.read, hint)
        count = counts.render(len(plan.secrets), "secret")
        say(f"{count} read back as {plan.scope}: equal")
    for name, variable in plan.replaced.items():
        changes += _keep_scheme(plan, target, name, variable, say)
        say(f"{name} read back as {plan.scope}: that of this machine's server")
    for name, original in plan.twins.items():
        changes += _write(
            plan, target, name, target.read(original), f"the value of {original}", say
        )
    target.deliver()
    changes += swap.swap(plan, say, target.settings())
    if not changes:
        say(f"nothing to do: all secrets in {plan.file.path} are already imported")
    return bool(changes)


def _declare(plan: ImportPlan, target: ImportTarget, say: ProgressCallback) -> int:
    path = target.service_file
    if plan.new_secrets:
        edit.add(path, "secrets", plan.new_secrets, target.check)
        say(f"declared as secrets in {path}: {', '.join(plan.new_secrets)}")
    if plan.new_settings:
        edit.add(path, "settings", plan.new_settings, target.check)
        names = ", ".join(plan.new_settings)
        say(f"declared as settings in {path}, with the file's values as defaults: {names}")
    return len(plan.new_secrets) + len(plan.new_settings)


def _write_values(plan: ImportPlan, target: ImportTarget, say: ProgressCallback) -> int:
    """Write the values that the server does not have yet, and return their number."""
    return sum(
        _write(plan, target, name, variable.value, variable.name, say)
        for name, variable in plan.secrets.items()
    )


def _keep_scheme(
    plan: ImportPlan, target: ImportTarget, name: str, variable: Variable, say: ProgressCallback
) -> int:
    """Read the deployment's value, and write it again if the file's URL has another scheme.

    The application reads that driver, or none, and so it must get it back. An account in parts has
    no scheme.
    """
    own = target.read(name)
    if variable.name not in plan.kinds:
        return 0
    value = Secret(in_scheme_of(variable.value, own))
    if values_equal(value, own):
        return 0
    return _write(
        plan, target, name, value, f"this machine's, with the scheme of {variable.name}", say
    )


def _write(
    plan: ImportPlan,
    target: ImportTarget,
    name: str,
    value: Secret,
    origin: str,
    say: ProgressCallback,
) -> int:
    """Write the value of one secret, and return 1, or 0 if the server already has it."""
    path, session, mount = plan.scope.secret(name), target.session, target.owner.mounts.kv
    current, version = _read_current(session, data_path(path, mount))
    if current is not None and values_equal(current, value):
        say(f"{name}: the server already has this value, version {version}")
        return 0
    # Use check-and-set, so that this write fails instead of overwriting a concurrent one.
    new = write_value(session, path, value, cas=version, mount=mount)
    say(f"{name}: written from {origin}, version {new}")
    return 1


def _read_current(session: Session, path: str) -> tuple[str | None, int]:
    """Return value and version of the secret at the API path *path*.

    The value is None if the secret is deleted or never had one. The version is 0 in the latter
    case.
    """
    try:
        data = session.get(path)["data"]
    except RequestRefused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None, (refused.data or {}).get("metadata", {}).get("version", 0)
    value = data["data"].get(VALUE_KEY)
    return value if isinstance(value, str) else None, data["metadata"]["version"]
