"""Kills of a copy of secrets around its requests: the next run completes it, and loses nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.aws.request import AwsRequest
from app_integration.secret import Secret
from app_integration.session.session import Session
from aws.secret_copy.comparison import State
from tests.support.processes.killed_steps import Killer, run_killed
from tests.support.servers.copy_site import LOGIN, PASSWORD, VALUES, CopySite, copy_site
from tests.support.servers.deployment import Deployment
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import provisioning_site

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

EQUAL = dict.fromkeys(VALUES, State.EQUAL)
#: Most versions that a kill may add: on AWS one that was written and not yet made the current one.
EXTRA = {"aws": 1, "vault": 0}


@dataclass
class Bench:
    """A site, and what a child needs to copy in it."""

    site: CopySite
    moto: MotoServer
    token: Secret
    address: str

    def prepare(self, source: str, target: str, number: int) -> None:
        """Have new values on *source*, and one secret on it only."""
        self.site.write("smtp-password", f"new {number}", backend=source)
        self.site.write("smtp-url", f"smtp://shop:new%20{number}@mail", backend=source)
        self.site.erase(target, "login")

    def copy(self, source: str, target: str, killer: Killer, *, each_request: bool) -> None:
        """Copy with connections of a new process."""
        with (
            closing(self.moto.connection()) as connection,
            Session(self.address, StaticToken(self.token)) as session,
        ):
            if each_request:
                killer.watch(connection, "call")
                killer.watch(session, "get", "post")
            else:
                killer.watch(connection, "call", counts=is_write)
                killer.watch(session, "post")
            self.site.run(source, target, session=session, connection=connection)


def is_write(request: AwsRequest, *_: object) -> bool:
    return not request.operation.startswith(("Describe", "Get"))


@pytest.fixture
def bench(deployment: Deployment, moto: MotoServer, tmp_path: Path) -> Iterator[Bench]:
    moto.reset()
    with (
        provisioning_site(moto) as aws,
        copy_site(deployment.operator, aws, tmp_path) as site,
        deployment.token("strongroom-apply") as token,
    ):
        site.fill()
        site.run("vault", "aws")
        yield Bench(site, moto, token, deployment.settings.vault_addr)
    moto.reset()


@pytest.mark.parametrize(
    ("source", "target", "each_request"),
    [
        ("vault", "aws", False),
        ("aws", "vault", False),
        pytest.param("vault", "aws", True, marks=pytest.mark.nightly),
        pytest.param("aws", "vault", True, marks=pytest.mark.nightly),
    ],
)
def test_kill_around_each_request_loses_nothing_and_the_next_run_completes_the_copy(
    bench: Bench, source: str, target: str, each_request: bool
) -> None:
    site, added = bench.site, []
    for step in itertools.count(1):
        bench.prepare(source, target, step)
        before, originals = site.versions(target), site.values(source)
        # Before the next write, the backends are as after the one before.
        killer = Killer(step, only_after=not each_request)
        if run_killed(lambda: bench.copy(source, target, killer, each_request=each_request)):  # noqa: B023 (run at once)
            break
        between = site.values(target)
        assert between["password"] == PASSWORD
        assert between["smtp-password"] in {f"new {step - 1}", f"new {step}", "p@ss/word"}
        assert between["login"] in (None, LOGIN)
        assert site.values(source) == originals
        site.run(source, target)
        assert site.states(source, target) == EQUAL
        assert site.values(target) == originals
        after = site.versions(target)
        added.append(sum(after.values()) - sum(before.values()) - 3)
    assert {*added} == {*range(EXTRA[target] + 1)}
    assert step > (40 if each_request else 5)
