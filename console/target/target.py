"""Where a command works: an environment, its declaration, and the server that has its secrets."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration import names
from app_integration._internal import server_urls
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from console.target.checkout import Checkout, current_checkout
from console.target.local_folder import DEFAULT_ROOT, local_address, local_root, open_layout
from local.aws.dev_on_aws import is_dev_on_aws
from local.layout import Layout
from local.port_choice import choose_ports
from local.runtimes.runtime_choice import MOTO, select_runtime, started_on
from vault.declare.declaration import Declaration
from vault.declare.local_file import with_local_applications
from vault.declare.repository_root import find_own_root
from vault.declare.schema.model import EnvironmentDeclaration

if TYPE_CHECKING:
    from local.deployment import LocalDeployment

#: End of an error about a command that is for Vault only.
_ON_AWS: Final = (
    "use one that is on AWS: strongroom plan, strongroom apply, strongroom put, strongroom ledger, "
    "strongroom rotate, strongroom aws copy-secrets, strongroom policies, and for a service "
    "python -m app_integration, such as its check"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a command works on. It is opened once, and passed to all that the command calls.

    *root* is the folder of the local deployment, also if that is not the target.
    """

    environment: Environment
    root: Path
    checkout: Checkout

    @property
    def declaration(self) -> Declaration:
        """Return the declaration. See :attr:`.Checkout.declaration`."""
        return self.checkout.declaration

    @property
    def declared(self) -> EnvironmentDeclaration:
        """Return what the file of the environment declares."""
        return self.declaration.environment(self.environment)

    @property
    def is_on_aws(self) -> bool:
        """Return whether the environment is on AWS, and not on Vault."""
        return self.declared.aws is not None

    @property
    def is_local(self) -> bool:
        """Return whether the environment is the local deployment.

        That is dev, if no address is set or the first one is the local deployment's, as in a shell
        that has read ``dev.env``.
        """
        address = server_urls.first_address(os.environ)
        if not self.environment.is_dev or not address:
            return self.environment.is_dev
        return address.rstrip("/") == local_address(self.root)

    @property
    def layout(self) -> Layout:
        """Return the paths of the local deployment. See :func:`.open_layout`."""
        return open_layout(self.root)

    @property
    def access_records(self) -> Path | None:
        """Return the file of the access records of applications here, None elsewhere."""
        return self.layout.logs / "access.jsonl" if self.is_local else None

    def scope(self, service: str) -> Scope:
        """Return the scope of *service* in the environment, which need not be declared."""
        return Scope(service, self.environment)

    def find_scope(self, service: str | None) -> Scope:
        """Return the scope of *service*, by default that of the only one in the environment."""
        if service is not None:  # because an empty variable is no default
            scope = self.scope(service)
            self.declaration.deployment(scope)
            return scope
        scopes = self.declaration.scopes(self.environment)
        if len(scopes) == 1:
            return scopes[0]
        several = " or ".join(f"--service {each.service}" for each in scopes)
        raise ConfigurationError(
            f"{self.environment} has several services; pass {several}"
            if scopes
            else f"{self.environment} has no service; declare one with strongroom new service"
        )

    def with_environment(self, text: str) -> Target:
        """Return the target of the environment that *text* names, such as ``production``."""
        environment = self.declaration.resolve_environment(text)
        return Target(environment, self.root, self.checkout)

    def reread(self) -> Target:
        """Return the same target, whose declaration is loaded again."""
        return Target(self.environment, self.root, Checkout())

    def require_vault(self) -> None:
        """Check that the environment is not on AWS."""
        if self.is_on_aws:
            raise ConfigurationError(
                f"{self.environment} is on AWS, and this command is for environments on Vault; "
                f"{_ON_AWS}"
            )

    def local_deployment(self, *, movable: Collection[str] = ()) -> LocalDeployment:
        """Return the local deployment, on the ports that it was started on.

        Variables may change the ports in *movable*, if their servers do not run.
        """
        from local.deployment import LocalDeployment  # noqa: PLC0415 (few commands need servers and agents)

        layout, declaration = self.layout, with_local_applications(self.declaration)
        self._check_dev_on_vault(layout, declaration)
        ports = choose_ports(layout, os.environ, movable)
        runtime = select_runtime(layout, os.environ, find_own_root(Path.cwd()))
        return LocalDeployment(layout, ports, declaration, runtime)

    def _check_dev_on_vault(self, layout: Layout, declaration: Declaration) -> None:
        if started_on(layout) == MOTO:
            raise ConfigurationError(
                f"the local deployment in {layout.root} is on AWS, and without its variables this "
                f"command is for one on Vault; read them with set -a; . {layout.dev_env}; set +a, "
                f"and pass no --root; {_ON_AWS}"
            )
        if is_dev_on_aws(declaration):
            reason, remedy = self.checkout.explain_dev_on_aws()
            raise ConfigurationError(
                f"dev is on AWS, {reason}, and this command is for dev on Vault; {remedy}; "
                f"{_ON_AWS}"
            )


def open_target(env: str = Environment.DEV, root: Path = DEFAULT_ROOT) -> Target:
    """Return the target that the options of the running command name."""
    return Target(names.parse_environment(env), local_root(root), current_checkout())


def open_remote_target(env: str) -> Target:
    """Return the target of an environment whose server is not the local deployment's."""
    target = open_target(env)
    if target.environment.is_dev:
        raise ConfigurationError(
            "dev has a local server, which is bootstrapped when it starts; run strongroom up"
        )
    return target
