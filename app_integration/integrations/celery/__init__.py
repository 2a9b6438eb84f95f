"""Celery helper: ``use_leased_redis(app)``."""

from __future__ import annotations

from pathlib import Path

from celery import Celery, signals

from app_integration import default_client
from app_integration.integrations.celery.results import leased_backend
from app_integration.integrations.celery.source import RedisSource
from app_integration.integrations.celery.transport import leased_transport


def use_leased_redis(
    app: Celery,
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    results: bool = True,
) -> None:
    """Let *app* use Redis as its broker and for its results, with leased users.

    Each process leases a user of its own at its first connection, a worker's children too. Nothing
    is requested before. The setting ``broker_url`` is ignored, and ``result_backend`` is replaced.

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
    app.conf.broker_transport = leased_transport(source)
    if results:
        app.conf.result_backend = leased_backend(source)
    # A child of a worker ends without the exit hooks of Python.
    signals.worker_process_shutdown.connect(_close)


def _close(**_arguments: object) -> None:
    default_client.close()
