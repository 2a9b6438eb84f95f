"""Python to paste into an application, which uses what its service has."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

SAMPLE = "ada@example.com"
SAMPLE_CONTEXT = {"customer": 7}
#: Key that ``encrypt_field`` uses if none is named.
_DEFAULT_KEY = "pii"
_PACKAGE = "app_integration.integrations"
_DJANGO = f'# settings.py: DATABASES = {{"default": {{"ENGINE": "{_PACKAGE}.django.postgresql"}}}}'
_CELERY = f"# Celery: use_leased_redis(app), from {_PACKAGE}.celery"
_SOURCE = f"and StrongroomSource(settings_cls) among the sources, from {_PACKAGE}.pydantic_settings"


def sample_lines(
    secret: str | None,
    keys: Sequence[str] = (),
    *,
    has_database: bool = False,
    has_redis: bool = False,
    frameworks: Collection[str] = (),
) -> list[str]:
    """Return lines of Python that print what the service has, and no secret value."""
    hints = {
        "django": [_DJANGO] * has_database,
        "celery": [_CELERY] * has_redis,
        "pydantic-settings": [_mark(secret)] if secret else [],
    }
    fitting = [line for name, lines in hints.items() if name in frameworks for line in lines]
    uses = {
        "get_secret": [f'print(get_secret("{secret}"))'] if secret else [],
        "encrypt_field": [_encrypt(key) for key in keys[:1]],
        "database_engine": [
            "with database_engine().connect() as connection:",
            '    print(connection.exec_driver_sql("SELECT session_user").scalar())',
        ]
        * (has_database and "django" not in frameworks),
        # Redis allows HELLO whatever the rules are.
        "redis_client": ['print(redis_client().execute_command("HELLO"))'] * has_redis,
    }
    used = sorted(name for name, lines in uses.items() if lines)
    if not used:
        return fitting
    imported = f"from app_integration import {', '.join(used)}"
    return [imported, *(line for lines in uses.values() for line in lines), *fitting]


def _mark(secret: str) -> str:
    """Return the mark of a field of pydantic-settings for *secret*."""
    field = secret.replace("-", "_").replace("/", "_")
    return f'# {field}: Annotated[SecretStr, FromStrongroom("{secret}")] {_SOURCE}'


def _encrypt(key: str) -> str:
    named = "" if key == _DEFAULT_KEY else f', key="{key}"'
    return f'print(encrypt_field("{SAMPLE}", context={json.dumps(SAMPLE_CONTEXT)}{named}))'
