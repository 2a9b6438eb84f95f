"""Server of the operator's page in this process, at any time of its clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

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
from tests.support.polling import wait_until
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
