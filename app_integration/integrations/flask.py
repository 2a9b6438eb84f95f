"""Flask helper: ``config = init(app, Model)``."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, request

from app_integration.config.loader import ConfigFile, M
from app_integration.integrations import metrics_page
from app_integration.observability import redaction
from app_integration.settings import from_environment


def init(app: Flask, model: type[M], path: str | Path | None = None) -> ConfigFile[M]:
    """Redact logs, load the delivered config, and serve ``/metrics``.

    The SDK revokes its leases and its Vault token when the process ends.

    Args:
        app: The application.
        model: The pydantic model of its config.
        path: The delivered file; by default the one that ``STRONGROOM_CONFIG`` names.

    Returns:
        The config file. Call its ``current()`` for each use, because the file may change.

    Raises:
        ConfigurationError: If a variable is missing or wrong, or the config is rejected.

    """
    redaction.install()
    config = ConfigFile(model, path)
    serve_metrics(app)
    return config


def serve_metrics(app: Flask) -> None:
    """Add the page ``/metrics`` to *app*. See :mod:`app_integration.integrations.metrics_page`."""
    settings = from_environment()

    def metrics() -> Response:
        page = metrics_page.get_page(request.remote_addr, request.headers, settings)
        return Response(page.body, page.status, content_type=page.content_type)

    # Not "metrics", because a view of the application may have that name.
    app.add_url_rule("/metrics", "strongroom_metrics", metrics)
