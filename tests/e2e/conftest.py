"""Fixture of a browser on the operator's page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.page_browser import PageBrowser, open_browser
from tests.support.servers.deployment import Deployment
from tests.support.servers.page_server import page_server


@pytest.fixture(scope="module")
def page(
    deployment: Deployment, pytestconfig: pytest.Config, monkeypatch_module: pytest.MonkeyPatch
) -> Iterator[PageBrowser]:
    """Yield a browser that has opened the page, whose clock is 40 days ahead.

    What is due after 30 days is overdue then. The pictures of views are in ``.pytest_cache``.
    """
    for name, port in deployment.ports.by_name().items():
        monkeypatch_module.setenv(f"STRONGROOM_{name.upper()}_PORT", str(port))
    pictures = pytestconfig.cache.mkdir("page")
    with (
        open_browser() as browser,
        page_server(deployment.layout.root, timedelta(days=40)) as url,
    ):
        visitor = PageBrowser(browser, url.partition("/open/")[0], pictures)
        visitor.enter(url)
        yield visitor


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    """Yield changes of the environment that last for a module."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch
