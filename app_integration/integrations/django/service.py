"""Django: ``CONFIG = init(Model)`` in its settings, ``path("metrics", metrics)`` in its URLs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.debug import ExceptionReporter

from app_integration.config.loader import ConfigFile, M
from app_integration.integrations import metrics_page
from app_integration.observability import redaction
from app_integration.settings import Settings, from_environment


def init(model: type[M], path: Path | None = None) -> ConfigFile[M]:
    """Scrub logs, and load the delivered config.

    Leases and token are given back when the process ends.

    Args:
        model: the pydantic model of the config; ask the result's ``current()`` at each use.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.

    Raises:
        ConfigurationError: a variable is missing or wrong, or the config can't be used.

    """
    redaction.install()
    return ConfigFile(model, path)


def metrics(request: HttpRequest) -> HttpResponse:
    """A view: see :mod:`app_integration.integrations.metrics_page`."""
    page = metrics_page.answer(request.META.get("REMOTE_ADDR"), request.headers, _settings())
    return HttpResponse(page.body, status=page.status, content_type=page.content_type)


@cache
def _settings() -> Settings:
    return from_environment()


class ScrubbingReporter(ExceptionReporter):  # type: ignore[misc] # Django has no types
    """For ``DEFAULT_EXCEPTION_REPORTER``: keeps live values out of error mails and pages."""

    def get_traceback_data(self) -> dict[str, Any]:
        """As Django's own, without live values: local variables and the exception's text."""
        data = super().get_traceback_data()
        if "exception_value" in data:  # from Django 6.1 on the exception itself, not its text
            data["exception_value"] = str(data["exception_value"])
        clean: dict[str, Any] = redaction.scrubbed(data)
        return clean
