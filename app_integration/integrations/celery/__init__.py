"""Celery helper: ``use_leased_redis(app)``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from celery import Celery, signals

from app_integration import default_client
from app_integration.integrations.celery.results import leased_backend
from app_integration.integrations.celery.source import RedisSource
from app_integration.integrations.celery.transport import leased_transport

#: In place of ``broker_url``, whose scheme may select another transport, and whose password would
#: be part of a worker's statistics.
_URL: Final = "redis"


def use_leased_redis(
    app: Celery,
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    results: bool = True,
) -> None:
    """Let *app* use Redis as its broker and for its results, with leased users.

    Each process leases a user of its own at its first connection, a worker's children too. Nothing
    is requested before. The setting ``broker_url`` is ignored, and ``result_backend`` is replaced,
    in settings that are loaded later too.

    Args:
        app: The application, before or after its other settings are loaded.
        role: See :func:`app_integration.redis_client`.
        url: See :func:`app_integration.redis_client`.
        secret: See :func:`app_integration.redis_client`.
        credentials: See :func:`app_integration.redis_client`.
        results: Whether results are stored there too.

    Raises:
        ConfigurationError: If more than one of *role*, *secret* and *credentials* is set.

    """
    source = RedisSource(url=url, role=role, secret=secret, credentials=credentials)
    settings = {
        "broker_transport": leased_transport(source),
        "broker_read_url": _URL,
        "broker_write_url": _URL,
    }
    if results:
        settings["result_backend"] = leased_backend(source)
    _keep_settings(app, settings)
    # A child of a worker exits without the exit hooks of Python.
    signals.worker_process_shutdown.connect(_close)


def _keep_settings(app: Celery, settings: dict[str, Any]) -> None:
    """Apply *settings* to *app*, and again whenever it has loaded others, which drop them."""

    def apply(*, source: Any, **_arguments: object) -> None:
        source.update(settings)

    app.conf.update(settings)
    app.on_after_configure.connect(apply, weak=False)


def _close(**_arguments: object) -> None:
    default_client.close()
