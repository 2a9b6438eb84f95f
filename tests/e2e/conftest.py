"""Fixtures of a browser on the operator's page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.ports import setting
from tests.support.page_browser import PageBrowser, open_browser
from tests.support.servers.deployment import Deployment
from tests.support.servers.page_server import page_server


@contextmanager
def visit(
    config: pytest.Config, root: Path, *arguments: Any, **options: Any
) -> Iterator[PageBrowser]:
    """Yield a browser that has opened a page. The pictures of views are in ``.pytest_cache``."""
    with open_browser() as browser, page_server(root, *arguments, **options) as url:
        visitor = PageBrowser(browser, url.partition("/open/")[0], config.cache.mkdir("page"))
        visitor.enter(url)
        yield visitor


@pytest.fixture(scope="module")
def port_variables(deployment: Deployment) -> Iterator[dict[str, str]]:
    """Set the variables of the deployment's ports for a module, and yield them."""
    variables = {setting(name): str(port) for name, port in deployment.ports.by_name().items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, port in variables.items():
            patch.setenv(name, port)
        yield variables


@pytest.fixture(scope="module")
def page(
    deployment: Deployment, pytestconfig: pytest.Config, port_variables: dict[str, str]
) -> Iterator[PageBrowser]:
    """Yield a browser whose page has a clock 40 days ahead: what is due after 30 is overdue."""
    del port_variables
    with visit(pytestconfig, deployment.layout.root, timedelta(days=40)) as visitor:
        yield visitor
