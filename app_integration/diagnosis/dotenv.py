"""Checks of a service without a server, whose secrets are in a ``.env`` file."""

from __future__ import annotations

from app_integration.diagnosis.check import Broken
from app_integration.errors import SecretNotFound
from app_integration.settings import Settings
from app_integration.sources.dotenv import DotenvSource


def check_secret(settings: Settings, name: str) -> str:
    """Read a secret from the process environment or the file."""
    try:
        found = DotenvSource(settings.dotenv_file).fetch(name)
    except SecretNotFound as error:
        raise Broken(str(error), f"write it into {settings.dotenv_file}") from None
    return f"in {'the environment' if found.source == 'environment' else settings.dotenv_file}"
