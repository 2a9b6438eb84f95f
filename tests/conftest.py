"""Fixtures of the shared local deployment, and the hook that fails required tests on a skip."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from app_integration import default_client
from app_integration.client import Client
from app_integration.settings import from_environment
from app_integration.testing.ports import free_ports
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from local.runtimes.runtime_choice import select_runtime
from tests.support.databases.database import Database
from tests.support.servers.deployment import Deployment, require_images
from vault.declare.load import PROJECT, load

pytest_plugins = [
    "tests.support.branch_coverage",
    "tests.support.processes.canaries",
    "tests.support.slow_files",
]

SERVICE = "gaara-store"

# A shell without job control starts a background command with SIGINT ignored. Each process that a
# test starts would inherit that, and not end by the signal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without the bounds of time of the default profile (200 ms for an example, and one for drawing
# them all), which a busy machine exceeds. pytest-timeout ends what hangs.
settings.register_profile("strongroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("strongroom")


# A plan stretches the password of each person, which takes longer than its 90 requests, and the
# suite plans hundreds of times in one process. Equal arguments have equal results.
hashlib.scrypt = functools.lru_cache(hashlib.scrypt)  # type: ignore[assignment] # of hashable arguments


@pytest.fixture(scope="session")
def deployment(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Start a local deployment: servers, the applied declaration, and an agent.

    ``STRONGROOM_RUNTIME`` selects the runtime: embedded or docker.
    """
    layout = Layout(tmp_path_factory.mktemp("deployment") / ".strongroom")
    runtime = select_runtime(layout, os.environ, PROJECT)
    if runtime is not EmbeddedRuntime:
        require_images()
    local = LocalDeployment(layout, Ports(*free_ports(6)), load(), runtime)
    if runtime is EmbeddedRuntime:
        pytestconfig.pluginmanager.getplugin("tests.support.processes.canaries").plant(layout)
    local.up(no_progress)
    running = Deployment(local)
    yield running
    running.operator.close()
    local.started.reset()


@pytest.fixture
def service(deployment: Deployment) -> Iterator[Client]:
    """Yield an SDK client with the store's settings."""
    client = deployment.open_client()
    yield client
    client.close()


@pytest.fixture
def database(deployment: Deployment) -> Database:
    """Return the deployment's PostgreSQL with its superuser's rights."""
    return Database(deployment.local.service("gaara-store").access.require_database())


@pytest.fixture
def default_client_on_server(deployment: Deployment, tmp_path: Path) -> Iterator[None]:
    """Configure the module-level functions for the deployment, without a ``.env`` file."""
    default_client.configure(
        from_environment({**deployment.variables, "STRONGROOM_DOTENV": str(tmp_path / ".env")})
    )
    yield
    default_client.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test that ``STRONGROOM_REQUIRE`` names, because CI must not skip it."""
    report = yield
    # Workers send reports as UTF-8, which has no lone surrogates.
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    required = set(os.environ.get("STRONGROOM_REQUIRE", "").split(","))
    kinds = {kind for marker in item.iter_markers("requires") for kind in marker.args}
    if report.skipped and not hasattr(report, "wasxfail") and kinds & required:
        report.outcome = "failed"
        report.longrepr = f"skipped, but STRONGROOM_REQUIRE names {', '.join(kinds & required)}"
    return report
