"""Names of a service's database and of its roles."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import Scope


@dataclass(frozen=True, slots=True)
class ServiceRoles:
    """Names of the database and the roles for the service of *scope*."""

    scope: Scope
    database: str
    suffix: str = ""

    @property
    def owner(self) -> str:
        """Return the owner of database, schema and objects: ``gaara_store_owner``.

        This role has no login.
        """
        return self.scope.owner_role

    @property
    def manager(self) -> str:
        """Return the user that creates and drops leased users: ``gaara_store_manager``."""
        return self.scope.manager_role + self.suffix

    @property
    def app(self) -> str:
        """Return the application's user, whose password no lease changes: ``gaara_store_app``."""
        return self.scope.app_role

    @property
    def reader(self) -> str:
        """Return the role that reads the owner's tables: ``gaara_store_readonly``.

        This role has no login. It is granted to users of services that the owner admits.
        """
        return self.scope.readonly_role
