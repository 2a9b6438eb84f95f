"""Django helper.

Put ``CONFIG = init(Model)`` in the settings, and ``path("metrics", metrics)`` in the URLs.
"""

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


def init(model: type[M], path: str | Path | None = None) -> ConfigFile[M]:
    """Redact logs, and load the delivered config.

    The SDK revokes its leases and its Vault token when the process ends.

    Args:
        model: The pydantic model of the config.
        path: The delivered file; by default the one that ``STRONGROOM_CONFIG`` names.

    Returns:
        The config file. Call its ``current()`` for each use, because the file may change.

    Raises:
        ConfigurationError: If a variable is missing or wrong, or the config is rejected.

    """
    redaction.install()
    return ConfigFile(model, path)


def metrics(request: HttpRequest) -> HttpResponse:
    """Return the page ``/metrics``. See :mod:`app_integration.integrations.metrics_page`.

    Args:
        request: The request, as Django passes it to a view.

    """
    page = metrics_page.get_page(request.META.get("REMOTE_ADDR"), request.headers, _settings())
    return HttpResponse(page.body, status=page.status, content_type=page.content_type)


@cache
def _settings() -> Settings:
    return from_environment()


class ScrubbingReporter(ExceptionReporter):  # type: ignore[misc] # Django has no types
    """A value of ``DEFAULT_EXCEPTION_REPORTER`` that redacts error pages and mails."""

    def get_traceback_data(self) -> dict[str, Any]:
        """Return Django's report data, with secret values in it redacted.

        That covers local variables and the exception's text.
        """
        data = super().get_traceback_data()
        if "exception_value" in data:  # the exception itself from Django 6.1 on, its text before
            data["exception_value"] = str(data["exception_value"])
        clean: dict[str, Any] = redaction.scrubbed(data)
        return clean
