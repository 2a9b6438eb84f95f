"""Durations of requests to the store, by labels that a client cannot invent."""

from __future__ import annotations

import pytest
from flask import Flask

from examples.gaara_store.request_metrics import DURATION, measure_requests


def measured() -> dict[tuple[str, ...], float]:
    """Return the number of requests by method, route and status."""
    (family,) = DURATION.collect()
    return {
        tuple(each.labels.values()): each.value
        for each in family.samples
        if each.name.endswith("_count")
    }


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    for path in ("/orders/<number>", "/health"):
        app.add_url_rule(path, path, lambda **_: "ok")
    measure_requests(app)
    return app


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/orders/7", ("GET", "/orders/<number>", "200")),
        ("GET", "/invented", ("GET", "none", "404")),
        ("INVENTED", "/orders/7", ("_OTHER", "none", "405")),
    ],
    ids=["route", "path", "method"],
)
def test_request_is_measured_under_labels_of_the_app(
    app: Flask, method: str, path: str, labels: tuple[str, ...]
) -> None:
    before = measured()
    app.test_client().open(path, method=method)
    after = measured()
    changed = {each for each, count in after.items() if count != before.get(each)}
    assert changed == {labels}


def test_request_for_health_is_not_measured(app: Flask) -> None:
    before = measured()
    assert app.test_client().get("/health").status_code == 200
    assert measured() == before
