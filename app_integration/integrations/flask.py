"""Flask: ``config = init(app, Model)``."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, request

from app_integration.config.loader import ConfigFile, M
from app_integration.integrations import metrics_page
from app_integration.observability import redaction
from app_integration.settings import from_environment


def init(app: Flask, model: type[M], path: Path | None = None) -> ConfigFile[M]:
    """Scrub logs, load the delivered config, and serve ``/metrics``.

    Leases and token are given back when the process ends.

    Args:
        app: the application.
        model: the pydantic model of its config; ask the result's ``current()`` at each use.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.

    Raises:
        ConfigurationError: a variable is missing or wrong, or the config can't be used.

    """
    redaction.install()
    config = ConfigFile(model, path)
    serve_metrics(app)
    return config


def serve_metrics(app: Flask) -> None:
    """Add ``/metrics`` to *app*: see :mod:`app_integration.integrations.metrics_page`."""
    settings = from_environment()

    @app.get("/metrics")
    def metrics() -> Response:
        page = metrics_page.answer(request.remote_addr, request.headers, settings)
        return Response(page.body, page.status, content_type=page.content_type)
