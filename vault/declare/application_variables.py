"""Variables that tell the SDK in an application which service it is, and where its servers are."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from app_integration._internal.environment_variable import OWN, SHARED
from app_integration._internal.server_urls import DATABASE_URL, REDIS_URL
from app_integration.names import Scope, variable_name
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database
from vault.declare.schema.field_types import is_loopback

#: The setting whose variable is ``ENVIRONMENT``.
_SETTING: Final = "environment"
#: Variables without which a shell or Python finds nothing.
_OF_SHELLS: Final = frozenset({"PATH", "HOME", "PYTHONPATH", "PYTHONHOME"})


def _environment_variables(declaration: Declaration, scope: Scope, name: str) -> dict[str, str]:
    """Return what names the environment to the SDK and to the application.

    A service with a setting ``environment`` has ``ENVIRONMENT`` for itself, and the SDK the
    variable of our own. Outside of dev it has the declared value, not the default, which an import
    took from dev.
    """
    if _SETTING not in declaration.service(scope.service).settings:
        return {SHARED: name}
    if scope.environment.is_dev:
        return {OWN: name}
    declared = declaration.deployment(scope).settings.get(_SETTING)
    return {OWN: name, SHARED: name if declared is None else str(declared)}


def application_variables(
    declaration: Declaration, scope: Scope, environment: str | None = None
) -> dict[str, str]:
    """Return the variables of a service that are the same wherever it runs, without an address.

    *environment* is another spelling of the environment, such as ``development``.
    """
    urls = {
        DATABASE_URL: find_database_url(declaration, scope),
        REDIS_URL: find_redis_url(declaration, scope),
    }
    return {
        "STRONGROOM_SERVICE": scope.service,
        **_environment_variables(declaration, scope, environment or scope.environment.value),
        **{name: url for name, url in urls.items() if url is not None},
    }


def setting_variables(declaration: Declaration, scope: Scope) -> dict[str, str]:
    """Return the settings of a service as variables; none if a config file delivers them."""
    if declaration.service(scope.service).config:
        return {}
    found = {variable_name(name): value for name, value in declaration.settings(scope).items()}
    return {name: setting_text(value) for name, value in found.items() if name not in _OF_SHELLS}


def setting_text(value: str | int | bool) -> str:
    """Return the *value* of a declared setting as the text of a variable."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def find_database_url(declaration: Declaration, scope: Scope) -> str | None:
    """Return the URL of the declared database, without a user.

    It is None if there is none, the secret ``database-url`` has it, or no users are leased.
    """
    if not _has_address(declaration, scope, "database-url"):
        return None
    owner = declaration.database_owner(scope)
    database = declaration.service(owner.service).database
    if not isinstance(database, Database):
        return None
    address = declaration.deployment(owner).database
    if address is None:
        return None
    # Elsewhere the secrets server verifies the database's certificate, so that it speaks TLS.
    options = "" if is_loopback(f"tcp://{address}") else "?sslmode=require"
    return f"postgresql+psycopg://{address}/{database.name}{options}"


def find_redis_url(declaration: Declaration, scope: Scope) -> str | None:
    """Return the URL of the declared Redis. It is None as :func:`find_database_url` is.

    It contains the declared CA, because redis-py trusts only those of the system otherwise.
    """
    server = declaration.deployment(scope).redis
    if server is None or not _has_address(declaration, scope, "redis-url"):
        return None
    if server.ca is None:
        return f"redis://{server.address}/0"
    return f"rediss://{server.address}/0?ssl_ca_data={quote(declaration.pems[server.ca], safe='')}"


def _has_address(declaration: Declaration, scope: Scope, secret: str) -> bool:
    """Return whether connections take the declared address, and not that in *secret*."""
    on_aws = declaration.environment(scope.environment).aws is not None
    return not on_aws and secret not in declaration.secrets(scope)
