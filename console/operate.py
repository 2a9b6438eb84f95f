"""What the operator's commands share: the declaration, a login, a plan."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration.auth.methods import AppRole, AuthMethod
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from console.local import Local
from console.runtimes import chosen
from policies.render import render_policies
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted import Adopted
from vault.reconcile.desired.desired import desired
from vault.reconcile.inputs import Inputs
from vault.reconcile.pacing import Pace
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources.secrets import write_value
from vault.runtime import ports
from vault.runtime.layout import Layout

#: Folder with ``services/`` and ``environments/``, in place of the project's own.
DECLARATION: Final = "STRONGROOM_DECLARATION"
#: The operator's own AppRole credential, outside the local deployment.
CREDENTIAL: Final = ("STRONGROOM_OPERATOR_ROLE_ID_FILE", "STRONGROOM_OPERATOR_SECRET_ID_FILE")


def declaration_root() -> Path:
    """Where the declaration's files are."""
    return Path(os.environ.get(DECLARATION) or load.ROOT)


def declaration() -> Declaration:
    """The declaration, checked whole."""
    return load.load(declaration_root())


def local(root: Path, service: str | None = None) -> Local:
    """The local deployment in *root*, of *service* or of the first service in dev."""
    declared = declaration()
    name = service or declared.scopes(Environment.DEV)[0].service
    layout, numbers = Layout(root.absolute()), ports.from_environment(os.environ)
    return Local(layout, numbers, declared, name, chosen(layout, os.environ))


def operator(env: str, root: Path, role: str) -> Session:
    """A session of the job *role*: by the local deployment's credential, or by files.

    Outside the local deployment ``VAULT_ADDR`` may stand in for the declared address, and
    ``STRONGROOM_OPERATOR_ROLE_ID_FILE`` and ``STRONGROOM_OPERATOR_SECRET_ID_FILE`` name the job's
    credential: not the service's own, which `import-env` reads back with.
    """
    environment = names.environment(env)
    if is_local(environment):
        here = local(root)
        if not here.layout.secret_id(role).exists():
            raise ConfigurationError(f"no deployment in {root}; start one with: make vault-up")
        return here.operator(role)
    files = [os.environ.get(variable) for variable in CREDENTIAL]
    if not all(files):
        raise ConfigurationError(
            f"no credential of {role} is given: set {' and '.join(CREDENTIAL)} to its files"
        )
    role_id, secret_id = (Path(file or "") for file in files)
    return at(environment, os.environ.get("VAULT_ADDR"), AppRole(role_id, secret_id))


def at(environment: Environment, address: str | None, login: AuthMethod) -> Session:
    """A session at *address*, or at the one that is declared for *environment*."""
    address = address or declaration().environment(environment).vault.address
    if address is None:
        raise ConfigurationError(f"no address is declared for {environment}; set VAULT_ADDR")
    cacert = os.environ.get("VAULT_CACERT")
    return Session(address, login, cacert=Path(cacert) if cacert else None, through=Pace())


def is_local(environment: Environment) -> bool:
    """Whether *environment* is the deployment on this machine.

    It is also when the shell has read its ``dev.env``: the credential named there is the service's
    and no operator's.
    """
    here = f"http://{ports.HOST}:{ports.from_environment(os.environ).vault}"
    return environment is Environment.DEV and os.environ.get("VAULT_ADDR", here) == here


def removal(env: str, *, prune: bool, destroy: Collection[str]) -> Prune | None:
    """What is to be taken away beside what is declared.

    Raises:
        ConfigurationError: *destroy* without *prune*.

    """
    if destroy and not prune:
        raise ConfigurationError("--destroy-data goes with --prune; nothing was read or changed")
    return Prune(names.environment(env), destroy) if prune else None


def make(
    session: Session, env: str, root: Path, given: Path | None, prune: Prune | None = None
) -> Plan:
    """What separates the server from the declaration of *env*; *given* as in Inputs."""
    environment = names.environment(env)
    declared, supply = declaration(), Inputs(folder=given)
    if is_local(environment):
        here = local(root)
        declared, supply = (
            here.declaration,
            Inputs(here.supply().values, given or here.layout.given),
        )
    policies = render_policies(declared, environment)
    resources = desired(declared, environment, policies, supply)
    return build_plan(session, resources, prune)


def put(session: Session, service: str, env: str, name: str, value: str) -> int:
    """Write *value* as the next version of the declared secret *name*; gives the version.

    Raises:
        ConfigurationError: the service has no such secret there; nothing was sent.
        InvalidName: the value is empty, or can't be kept as it is.

    """
    scope = names.Scope(service, names.environment(env))
    declared = declaration().secrets(scope)
    if name not in declared:
        raise ConfigurationError(
            f"{scope} has no secret {name!r}; declared are {', '.join(sorted(declared))}"
        )
    if isinstance(declared[name], Adopted):
        raise ConfigurationError(
            f"{name} is adopted: the server sets its password itself; for another at once use "
            f"strongroom rotate-password {name}, to go back strongroom adopt {name} --undo"
        )
    if not value:
        raise InvalidName(f"the value of {name} is empty; give it on standard input")
    return write_value(session, scope.secret(name), Secret(value))
