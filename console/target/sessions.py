"""Sessions of operators: on the local deployment, and on the servers of other environments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration._internal import server_urls
from app_integration.auth.methods import AppRole, AuthMethod, JwtFile
from app_integration.errors import AccessDenied, ConfigurationError
from app_integration.mounts import read_mount, read_mounts
from app_integration.names import JWT_MOUNT
from app_integration.session.session import Session
from console.target.local_folder import local_address
from console.target.target import Target
from local.layout import Layout
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.schema.server import MountPaths
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.planning.apply import ApplyFailed
from vault.reconcile.shared_backoff import SharedBackoff

#: Variables with the files of the operator's AppRole credential, outside the local deployment.
CREDENTIAL: Final = ("STRONGROOM_OPERATOR_ROLE_ID_FILE", "STRONGROOM_OPERATOR_SECRET_ID_FILE")
#: Variable with the file of a JWT in place of them, such as a CI system's for one of its jobs.
JWT_FILE: Final = "STRONGROOM_OPERATOR_JWT_FILE"


def open_operator_session(target: Target, role: str) -> Session:
    """Open a session with the credential of an operator's role.

    On the local deployment, that is the deployment's own. Elsewhere variables name its files, which
    are not those of the service's credential, because ``import-env`` needs that too, to read the
    values back; ``VAULT_ADDR`` overrides the declared address.
    """
    if target.is_local:
        here = target.local_deployment()
        if not here.has_credential(role):
            name = here.declaration.environment(target.environment).server_name(role)
            raise ConfigurationError(_explain_missing(here.layout, role, name))
        return here.operator(role)
    target.require_vault()
    return _open_with_files(target, target.declared, role)


def _explain_missing(layout: Layout, role: str, name: str) -> str:
    """Return why the local deployment has no credential of *role*, *name* on it, and a remedy."""
    root = layout.root
    if not layout.format.exists():
        return f"no deployment in {root}; start one with: strongroom up"
    if role == APPLY_JOB:
        return f"{root} has lost the credential of {name}; see docs/runbook/Losses.md"
    return f"{root} has lost the credential of {name}; strongroom up issues another"


@contextmanager
def open_explained_session(target: Target, role: str) -> Iterator[Session]:
    """Yield the session of :func:`open_operator_session`, for a command that needs just that role.

    A denial in the block says which credential the command needs.
    """
    try:
        with open_operator_session(target, role) as session:
            yield session
    except (AccessDenied, ApplyFailed) as error:
        is_denied = isinstance(error.__cause__ or error, AccessDenied)
        if not is_denied or target.is_local:
            raise
        used = " and ".join(each for each in (*CREDENTIAL, JWT_FILE) if os.environ.get(each))
        raise type(error)(
            f"{error}. This command needs the credential of {target.declared.server_name(role)}; "
            f"check that {used} names it, and not that of another role"
        ) from None


def open_vault_session(target: Target, role: str) -> Session:
    """Open a session on the Vault server that an environment moves from or to.

    The file of the environment may name AWS. See :func:`open_operator_session`.
    """
    if target.is_on_aws:
        return _open_with_files(target, declare_on_vault(target.declared), role)
    return open_operator_session(target, role)


def declare_on_vault(declared: EnvironmentDeclaration) -> EnvironmentDeclaration:
    """Return the declaration of an environment as it is on Vault.

    If its file names AWS, the mounts are those of ``STRONGROOM_KV_MOUNT`` and the like, as for an
    application.
    """
    if declared.aws is None:
        return declared
    approle = read_mount(os.environ, "STRONGROOM_AUTH_MOUNT", names.APPROLE_MOUNT)
    mounts = MountPaths(kv=read_mounts(os.environ).kv, approle=approle)
    server = declared.vault.model_copy(update={"mounts": mounts})
    return declared.model_copy(update={"aws": None, "vault": server})


def _open_with_files(target: Target, declared: EnvironmentDeclaration, role: str) -> Session:
    name = declared.server_name(role)
    files = {
        each: Path(os.environ[each]) for each in (*CREDENTIAL, JWT_FILE) if os.environ.get(each)
    }
    if files.keys() not in ({*CREDENTIAL}, {JWT_FILE}):
        found = f" (set now: {', '.join(files)})" if files else ""
        raise ConfigurationError(
            f"no credential of {name} is configured: set {' and '.join(CREDENTIAL)} to its files, "
            f"or {JWT_FILE} to that of a JWT{found}{_other_server(target)}"
        )
    login = _login(files, declared, name)
    return open_session_at(declared, _addresses(target), login)


def open_job_session(target: Target, job: str) -> Session:
    """Open a session of the auditor or the rotator. See :func:`open_operator_session`.

    The local deployment issues no credential of these jobs, so that its own is used there.
    """
    return open_operator_session(target, APPLY_JOB if target.is_local else job)


def open_folder_session(target: Target, folder: Path) -> Session:
    """Open a session with the credential in ``<folder>/<environment>/``, on the declared address.

    The variables name one credential for one server, so that commands that ask several servers
    have a folder.
    """
    target.require_vault()
    own = folder / target.environment
    settings = ("--credentials", "--credentials")
    login = AppRole(own / "role-id", own / "secret-id", target.declared.mounts.approle, settings)
    return open_session_at(target.declared, (), login)


def open_session_on_server(target: Target, login: AuthMethod) -> Session:
    """Open a session with *login* on an environment's server, which is not the local one.

    ``VAULT_ADDR`` counts only if no address is declared, because *login* may be an
    administrator's, and a shell may have the address of some local server.
    """
    declared = target.declared
    addresses = () if declared.vault.address else _addresses(target)
    target.require_vault()
    return open_session_at(declared, addresses, login)


def _login(files: Mapping[str, Path], declared: EnvironmentDeclaration, role: str) -> AuthMethod:
    """Return the login to *role* with the credential in *files*, by their variables."""
    if JWT_FILE in files:
        hint = (
            f"check that {JWT_FILE} has a fresh token, and that 'jobs' in the file of "
            f"{declared.environment} accepts its audience, subject and claims for {role}"
        )
        return JwtFile(files[JWT_FILE], role, JWT_MOUNT, JWT_FILE, hint)
    role_id, secret_id = (files[name] for name in CREDENTIAL)
    return AppRole(role_id, secret_id, declared.mounts.approle, CREDENTIAL)


def _addresses(target: Target) -> tuple[str, ...]:
    """Return the addresses in the shell's variables; none if none is set.

    Outside dev the local deployment's is refused, because the credential of prod would go to
    whatever listens on this machine.
    """
    environment = target.environment
    addresses = server_urls.read_addresses(os.environ, environment)
    if environment.is_dev or not addresses:
        return addresses
    if (local := local_address(target.root)) in addresses:
        raise ConfigurationError(
            f"VAULT_ADDR or {server_urls.ADDRESSES} has {local}, the local deployment's address; "
            f"unset it to use the server that is declared for {environment}"
        )
    return addresses


def _other_server(target: Target) -> str:
    """Return the part of an error about ``VAULT_ADDR`` that names another server in dev."""
    address = server_urls.first_address(os.environ)
    if not target.environment.is_dev or not address:
        return ""
    return (
        f", or unset VAULT_ADDR and {server_urls.ADDRESSES} (they begin with {address}) to "
        f"use the deployment in {target.root} at {local_address(target.root)}"
    )


def open_session_at(
    declared: EnvironmentDeclaration, addresses: Sequence[str], login: AuthMethod
) -> Session:
    """Open a session on an environment's server, which is Vault."""
    addresses = addresses or declared.vault.addresses
    if not addresses:
        raise ConfigurationError(
            f"no address is declared for {declared.environment}; set VAULT_ADDR"
        )
    cacert = os.environ.get("VAULT_CACERT")
    backoff = SharedBackoff()
    return Session(
        addresses[0],
        login,
        extra_addresses=addresses[1:],
        cacert=Path(cacert) if cacert else None,
        namespace=server_urls.read_namespace(os.environ),
        clock=backoff.clock,
        wrap_sender=backoff,
        mounts=declared.mounts,
    )
