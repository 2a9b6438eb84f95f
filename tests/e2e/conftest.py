"""Fixtures of a browser on the operator's page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import uvicorn

from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.admission import Access
from console.page.application import build_application
from console.page.gate import OPEN, Gate
from console.page.server import HOST, listen
from console.page.sources.sources import Options, open_sources
from console.target.sessions import open_job_session
from console.target.target import Target, open_target
from local.ports import setting
from tests.support.page_browser import PageBrowser, open_browser
from tests.support.polling import wait_until
from tests.support.servers.deployment import Deployment
from vault.declare.server_names import AUDITOR_JOB

#: The one-time URL's, and then the session's.
_TOKEN = "0nce"


@contextmanager
def page_server(
    root: Path,
    ahead: timedelta = timedelta(),
    others: Mapping[Environment, Callable[[], Session]] = MappingProxyType({}),
    alertmanager: str | None = None,
) -> Iterator[str]:
    """Serve the page of a local deployment, and yield its one-time URL."""
    access = Access(idle=600, lifetime=600, clock=time.monotonic, generate=lambda: _TOKEN)

    def clock() -> datetime:
        return datetime.now(UTC) + ahead

    def open_session(target: Target) -> Session:
        if target.environment in others:
            return others[target.environment]()
        return open_job_session(target, AUDITOR_JOB)

    targets = [open_target(each, root) for each in (Environment.DEV, *others)]
    options = Options(targets, (), None, open_session, alertmanager)
    with listen(0) as listener, open_sources(options, clock) as sources:
        port = listener.getsockname()[1]
        app = Gate(build_application(sources, clock), access, port)
        config = uvicorn.Config(app, http="h11", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: server.started, "the page")
        yield f"http://{HOST}:{port}{OPEN}{_TOKEN}"
        server.should_exit = True
        thread.join()


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
