"""Durations of requests for Prometheus, by which a rollout compares two versions of the store."""

from __future__ import annotations

import time
from typing import Final

from flask import Flask, Response, g, request
from prometheus_client import Histogram

#: Pages that machines read at an interval. They would hide what customers wait for.
_EXCLUDED: Final = frozenset(("/health", "/metrics"))
#: Methods that have a label value of their own.
_METHODS: Final = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))

#: With the name and labels of OpenTelemetry's conventions.
DURATION: Final = Histogram(
    "http_server_request_duration_seconds",
    "Durations of requests, without those for health and metrics.",
    ("http_request_method", "http_route", "http_response_status_code"),
)


def measure_requests(app: Flask) -> None:
    """Measure the duration of each request to *app*."""

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        # Paths without a route have one label value, and so have further methods, because anybody
        # can invent them and each value stays in memory.
        route = request.url_rule.rule if request.url_rule else "none"
        if route not in _EXCLUDED:
            method = request.method if request.method in _METHODS else "_OTHER"
            labels = (method, route, response.status_code)
            DURATION.labels(*labels).observe(time.perf_counter() - g.begun)
        return response
