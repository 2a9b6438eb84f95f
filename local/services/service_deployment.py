"""One service of a deployment: its accounts, its agent, and the variables that it reads."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from app_integration.mounts import mount_variables
from app_integration.secret import Secret
from app_integration.settings import Settings, from_environment
from local.access import Access
from local.runtime_interface import AgentHost
from vault.declare.application_variables import application_variables, setting_variables
from vault.declare.declaration import Declaration

if TYPE_CHECKING:
    from local.services.local_agent import LocalAgent


class ServiceDeployment:
    """Service of *scope* in a deployment."""

    def __init__(
        self, access: Access, declaration: Declaration, agent_host: AgentHost | None
    ) -> None:
        """Store the arguments.

        *agent_host* is None if the servers' runtime runs the agent. Then the config file in this
        machine's folder is a copy, and not up to date.
        """
        self.access = access
        self.layout = access.layout
        self.ports = access.ports
        self.scope = access.scope
        self.declaration = declaration
        self._agent_host = agent_host

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the AppRoles of the service. See :meth:`.Declaration.approles`."""
        return self.declaration.approles(self.scope)

    @cached_property
    def agent(self) -> LocalAgent | None:
        """Return the service's agent, or None if the service declares no config."""
        from local.services.local_agent import LocalAgent  # noqa: PLC0415 (loads the compiler of templates)

        config = self.declaration.service(self.scope.service).config
        if config is None:
            return None
        host = self._agent_host
        address = host.vault_address if host else self.ports.vault_address
        return LocalAgent(self.layout, self.scope, self.declaration, config, address)

    def settings(self) -> Settings:
        """Return the settings that the service reads from its variables."""
        return from_environment(self.variables())

    def provided_secrets(self) -> dict[str, Secret]:
        """Return the URLs and passwords of the local servers, by declared secret."""
        declared = self.declaration.secrets(self.scope)
        provided = self.access.provided_secrets()
        return {name: value for name, value in provided.items() if name in declared}

    def provided_values(self) -> dict[str, Secret]:
        """Return the URLs and passwords of the local servers, by the API path of their secret."""
        mounts = self.declaration.environment(self.scope.environment).mounts
        values = {
            f"{mounts.kv}/{self.scope.secret(name)}": value
            for name, value in self.provided_secrets().items()
        }
        if self.access.database is not None:
            password = self.access.database.password("manager")
            values[f"{mounts.database}/config/{self.scope}"] = password
        if (manager := self.access.redis_manager) is not None:
            values[f"{mounts.database}/config/{self.scope.redis_role()}"] = manager.password()
        return values

    def prepare_users(self) -> None:
        """Prepare what Vault needs on the database and on Redis to create and change users."""
        if self.access.database is not None:
            for adopted in self.declaration.adopted(self.scope).values():
                self.access.database.allow_password_changes(adopted.username)
            for pair in self.declaration.paired(self.scope).values():
                self.access.database.ensure_users(pair)
        self.access.ensure_redis_manager()

    def variables(self) -> dict[str, str]:
        """Return the service's variables. None is a secret value."""
        config = self.agent.live if self.agent and self._agent_host else None
        return {
            **setting_variables(self.declaration, self.scope),
            "VAULT_ADDR": self.ports.vault_address,
            **application_variables(self.declaration, self.scope, "development"),
            "STRONGROOM_ROLE_ID_FILE": str(self.layout.service_role_id(str(self.scope))),
            "STRONGROOM_SECRET_ID_FILE": str(self.layout.service_secret_id(str(self.scope))),
            **({"STRONGROOM_CONFIG": str(config)} if config else {}),
            "STRONGROOM_AUDIT": "each",
            "STRONGROOM_AUDIT_FILE": str(self.layout.logs / "access.jsonl"),
            **self._audit_device(),
            **mount_variables(self.declaration.environment(self.scope.environment).mounts),
            "SECRETS_BACKEND": "vault",
        }

    def _audit_device(self) -> dict[str, str]:
        device = self.declaration.environment(self.scope.environment).vault.audit_device
        return {"STRONGROOM_AUDIT_DEVICE": device} if device else {}
