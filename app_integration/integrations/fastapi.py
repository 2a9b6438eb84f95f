"""FastAPI helper: ``config = init(app, Model)``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

import app_integration
from app_integration.config.loader import ConfigFile, M
from app_integration.integrations import metrics_page
from app_integration.observability import redaction
from app_integration.settings import from_environment


def init(app: FastAPI, model: type[M], path: str | Path | None = None) -> ConfigFile[M]:
    """Redact logs, load the delivered config, serve ``/metrics``, and close the SDK at shutdown.

    A server may exit by a signal once the lifespan is over, so the SDK is closed there, and opens
    again if the process goes on. A lifespan of another thread than the main one is a test's or the
    like. The process outlives it, and closes the SDK at its own exit.

    Args:
        app: The application. Its own lifespan still runs, and ends before the SDK closes.
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
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: Any) -> AsyncIterator[Any]:
        try:
            async with inner(running) as state:
                yield state
        finally:
            if threading.current_thread() is threading.main_thread():
                # In a thread, because revoking the Vault token sends a request.
                await asyncio.to_thread(app_integration.close)

    app.router.lifespan_context = lifespan
    return config


def serve_metrics(app: FastAPI) -> None:
    """Add the page ``/metrics`` to *app*. See :mod:`app_integration.integrations.metrics_page`."""
    settings = from_environment()

    def metrics(request: Request) -> Response:
        remote = request.client.host if request.client else None
        page = metrics_page.get_page(remote, request.headers, settings)
        return Response(page.body, page.status, headers={"content-type": page.content_type})

    # A route of Starlette, because one of FastAPI takes the application's dependencies, class of
    # route and ``generate_unique_id_function``, which may rely on what this page does not have.
    app.add_route("/metrics", metrics, include_in_schema=False)
