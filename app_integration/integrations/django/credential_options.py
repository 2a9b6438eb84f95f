"""Options in Django's settings that select a leased user, as the SDK's functions do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Fields of :class:`~app_integration.database.factory.CredentialSource`.
SOURCE_OPTIONS: Final = ("role", "secret", "credentials")


def credential_source(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of *options*, a database's or cache's ``OPTIONS``, that select the user."""
    return {name: value for name, value in options.items() if name in SOURCE_OPTIONS}
