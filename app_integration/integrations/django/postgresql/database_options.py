"""Settings of one database in ``DATABASES``: what is rejected, and what the deployment adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from app_integration.database.factory import CredentialSource
from app_integration.errors import ConfigurationError
from app_integration.integrations.django.credential_options import credential_source

#: The value of ``ENGINE``.
ENGINE: Final = "app_integration.integrations.django.postgresql"
_CREDENTIALS: Final = ("USER", "PASSWORD")
#: Options with which libpq takes a user or password from elsewhere.
_CREDENTIAL_OPTIONS: Final = ("user", "password", "passfile", "service")
#: Setting → the parameter of libpq.
_PLACE: Final = {"HOST": "host", "PORT": "port"}


def check_settings(alias: str, settings: Mapping[str, Any]) -> None:
    """Raise an error if *settings* contradict leased users. No message contains a value."""
    options = settings["OPTIONS"]
    refused = [name for name in _CREDENTIALS if settings[name]]
    refused += [f"OPTIONS[{name!r}]" for name in _CREDENTIAL_OPTIONS if name in options]
    if refused:
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}] sets {' and '.join(refused)}, but user and password of this "
            "ENGINE are leased; remove what is set"
        )
    if options.get("pool") and settings["CONN_MAX_AGE"] != 0:
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}] sets OPTIONS['pool'] and CONN_MAX_AGE, but a pool keeps the "
            "connections itself; remove CONN_MAX_AGE"
        )
    try:
        CredentialSource(**credential_source(options))
    except ConfigurationError as error:
        raise ImproperlyConfigured(f"DATABASES[{alias!r}]['OPTIONS']: {error}") from None


@cache
def check_databases() -> None:
    """Check all databases with this backend, once: Django opens the first when it starts."""
    for alias, settings in connections.settings.items():
        if settings["ENGINE"] == ENGINE:
            check_settings(alias, settings)


def has_place(settings: Mapping[str, Any]) -> bool:
    """Return whether *settings* name host and database, so that no URL is needed.

    The name None is Django's for the database ``postgres``.
    """
    return bool(settings["HOST"]) and settings["NAME"] != ""


def add_place(settings: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* with what they leave out, from the parameters of the deployment's URL.

    Settings with a host take only the database's name from it.
    """
    added = dict(settings)
    if added["NAME"] == "":
        added["NAME"] = parameters.get("dbname", "")
    if added["HOST"]:
        return added
    further = {
        name: parameters[name] for name in parameters if name not in {"dbname", "host", "port"}
    }
    added["OPTIONS"] = {**further, **settings["OPTIONS"]}
    return added | {
        setting: settings[setting] or parameters.get(parameter, "")
        for setting, parameter in _PLACE.items()
    }
