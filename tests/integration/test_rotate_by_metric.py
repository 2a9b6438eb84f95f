"""Rotation of a secret whose consumers are seen in a real Prometheus, without an audit log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import pytest

from app_integration._internal.private_file import write_private
from app_integration.config.deliver import Target, deliver
from app_integration.config.file_access import FileAccess
from app_integration.config.versions_line import compose
from app_integration.errors import ConfigurationError
from app_integration.names import VALUE_KEY
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.integration.rotation.test_secret import Site
from tests.support.models.rotations import change_service
from tests.support.polling import wait_until
from tests.support.servers.deployment import Deployment
from tests.support.servers.prometheus_server import prometheus_server, query
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.consumers.version_metrics import read_version_metrics
from vault.rotation.context import RotationContext
from vault.rotation.record import Step
from vault.rotation.rotation import Result

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.requires("prometheus")]

ROOT: Final = Path(__file__).parents[2]
SERVICE: Final = "gaara-store"


class Application:
    """A process with the SDK that uses the secret."""

    def __init__(self, process: subprocess.Popen[str], token: Secret) -> None:
        self.process = process
        assert process.stdin is not None
        self._requests = process.stdin
        assert process.stdout is not None
        self._lines = process.stdout
        self._send(token.reveal())

    @cached_property
    def target(self) -> str:
        """Return the address of its metrics, when it has fetched the secret."""
        return f"127.0.0.1:{self._lines.readline().strip()}"

    def refresh(self) -> str:
        """Fetch the secret again, and return its version."""
        self._send("again")
        return self._lines.readline().strip()

    def _send(self, line: str) -> None:
        self._requests.write(f"{line}\n")
        self._requests.flush()


class MetricSite(Site):
    """A site whose rotations read metrics and no log, of a service with or without a file."""

    prometheus = ""
    is_delivered = False

    @property
    def live(self) -> Path:
        """Return the file that is delivered to the applications."""
        return self.folder / "live" / "app.json"

    def deliver(self, version: int) -> None:
        """Deliver a file with that version of the secret."""
        staging, access = self.folder / "staged.json", FileAccess()
        line = compose({f"{SERVICE}/dev/{self.name}": version})
        write_private(staging, f'{line}{{"version": {version}}}\n')
        self.live.parent.mkdir(mode=0o700, exist_ok=True)
        model = "tests.support.processes.metric_application:Document"
        assert deliver(staging, Target(self.live, model, access), now=self.now).state.is_live

    def context(self, session: Session) -> RotationContext:
        context = super().context(session)
        context = replace(context, read_metrics=partial(read_version_metrics, self.prometheus))
        if self.is_delivered:
            return context
        declaration = change_service(context.declaration, SERVICE, config=None)
        return replace(context, declaration=declaration)

    def run(self) -> tuple[Result, Evidence]:
        """Run the rotation, and return its evidence, too."""
        result = self.rotation().run()
        assert result.evidence is not None
        return result, result.evidence

    def wait_for_version(self, target: str, version: str, source: str = "cache") -> None:
        """Wait until Prometheus has scraped the version."""
        labels = f'instance="{target}",source="{source}"'
        text = f"strongroom_secret_version{{{labels}}} == {version}"
        wait_until(lambda: query(self.prometheus, text), f"version {version} of {target}")


@pytest.fixture
def site(deployment: Deployment, tmp_path: Path) -> Iterator[MetricSite]:
    """Yield a site whose secret has one version."""
    operator = deployment.operator
    with deployment.token("strongroom-apply") as token:
        site = MetricSite(deployment, tmp_path, token)
        site.logs = False
        site.secrets = {site.name: site.secrets[site.name]}
        operator.post(f"secret/data/{site.path}", {"data": {VALUE_KEY: "first"}})
        yield site
    for path in (site.path, f"_strongroom/dev/rotation/secret/{site.path}"):
        operator.delete(f"secret/metadata/{path}")


@contextmanager
def running_application(address: str, token: Secret, name: str, live: str) -> Iterator[Application]:
    """Run an application that uses the secret and the file *live*; yield it while it starts."""
    module = "tests.support.processes.metric_application"
    process = subprocess.Popen(
        [sys.executable, "-m", module, address, SERVICE, name, live],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Application(process, token)
    finally:
        process.kill()
        process.communicate()


def test_rotation_waits_for_an_application_with_the_old_version_and_names_it(
    site: MetricSite,
) -> None:
    with ExitStack() as stack:
        # One Prometheus for both rotations, because its start takes 5 s.
        words = (site.address, site.token, site.name, str(site.live))
        prompt, held = (stack.enter_context(running_application(*words)) for _ in range(2))
        targets = {prompt.target: {}, held.target: {"pod": "store-1", "service": "store-svc"}}
        site.prometheus = stack.enter_context(prometheus_server(site.folder, targets))
        site.rotation().run()
        site.now += timedelta(seconds=30)
        assert prompt.refresh() == "2"
        site.wait_for_version(prompt.target, "2")
        result, evidence = site.run()
        assert (result.record.step, evidence.proof) == (Step.CONSUMERS, Proof.METRIC)
        assert [*map(str, evidence.moved)] == [f"{prompt.target}: has version 2 of {site.name}"]
        named = f"pod store-1 ({held.target}): has version 1 of {site.name}"
        assert [*map(str, evidence.waiting)] == [named]
        site.now += timedelta(days=1)  # no time bound ends what is seen to be in use
        assert site.run()[0].record.step is Step.CONSUMERS
        assert held.refresh() == "2"
        site.wait_for_version(held.target, "2")
        result, evidence = site.run()  # the first look without a consumer
        assert (result.record.step, len(evidence.moved)) == (Step.CONSUMERS, 2)
        site.now += timedelta(seconds=20)
        assert site.run()[0].record.step is Step.DONE
        assert site.versions() == {1: False, 2: True}
        check_delivered(site, prompt, held)
        check_gone(site, prompt, held)


def check_delivered(site: MetricSite, *applications: Application) -> None:
    """Check that a rotation waits for the files of applications, and for no time bound."""
    site.is_delivered = True
    for version in (2, 3):
        site.deliver(version)
        if version == 2:
            site.rotation().run()
            site.now += timedelta(seconds=30)
        for each in applications:
            assert each.refresh() == "3"
            site.wait_for_version(each.target, "3")
            site.wait_for_version(each.target, str(version), "file")
        result, evidence = site.run()
        assert result.record.step is Step.CONSUMERS
        assert not any("time bound" in note for note in evidence.notes)
        found = evidence.waiting if version == 2 else evidence.moved
        assert [str(each).partition(": ")[2] for each in found if "file" in str(each)] == [
            f"has version {version} of {site.name} in its file"
        ] * 2
    site.now += timedelta(seconds=20)
    assert site.run()[0].record.step is Step.DONE


def check_gone(site: MetricSite, prompt: Application, gone: Application) -> None:
    """Check that a rotation waits for the time bound if an application does not respond."""
    site.rotation().run()
    site.now += timedelta(seconds=30)
    gone.process.kill()
    site.deliver(4)
    assert prompt.refresh() == "4"
    site.wait_for_version(prompt.target, "4", "file")
    wait_until(lambda: query(site.prometheus, "up == 0"), "a target that is down")
    result, evidence = site.run()
    assert (result.record.step, evidence.waiting) == (Step.CONSUMERS, ())
    assert [note.partition(", ")[0] for note in evidence.notes[1:4]] == [
        f"pod store-1 ({gone.target}) had version 3 of {site.name}",
        f"pod store-1 ({gone.target}) had version 3 of {site.name} in its file",
        f"pod store-1 ({gone.target}) is down",
    ]
    site.now += timedelta(hours=2)
    assert site.run()[0].record.step is Step.DONE


def test_secret_that_no_target_shows_waits_for_the_time_bound(site: MetricSite) -> None:
    with prometheus_server(site.folder, {}) as site.prometheus:
        assert site.run()[1].proof is Proof.TIME
    site.now += timedelta(hours=2)
    with pytest.raises(
        ConfigurationError, match=r"cannot be queried: ConnectionError; check .*; correct"
    ):
        site.rotation().run()
