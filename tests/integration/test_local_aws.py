"""Local deployment on AWS: what a repeated ``up`` does after something was changed or killed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from app_integration.errors import ConfigRejected, ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.testing.ports import free_ports
from console.views.aws_deployment import up_on_aws
from local.aws.deployment import LocalAwsDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.runtime_choice import MOTO, started_on
from tests.support.models.aws_declared import ENVIRONMENT
from tests.support.servers.moto_server import MotoServer
from vault.declare.load import load

pytestmark = pytest.mark.requires("embedded")

SCOPE: Final = Scope("shop", Environment.DEV)
SECRET: Final = SCOPE.secret("password")
#: Module with a model that accepts any document, and one that refuses the value ``bad``.
MODELS: Final = """
class Any:
    @classmethod
    def model_validate(cls, document):
        return cls()


class Strict:
    @classmethod
    def model_validate(cls, document):
        if document["value"] == "bad":
            raise ValueError("bad")
        return cls()
"""


class Site:
    """A declaration of one service on AWS, and its local deployment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / ".strongroom")
        self.ports = Ports(*free_ports(7))
        for name in ("services", "environments", "templates/shop"):
            (folder / name).mkdir(parents=True)
        environment = {**ENVIRONMENT, "environment": "dev"}
        (folder / "environments/dev.yaml").write_text(json.dumps(environment))
        (folder / "models.py").write_text(MODELS)
        self.declare("Any")

    def declare(self, model: str, secret: str = "password", python: str = sys.executable) -> None:
        """Declare the service with a model of the module, and a secret in its config."""
        source = f'{{"value": {{{{ secret("{secret}") }}}}}}\n'
        (self.folder / "templates/shop/app.json.j2").write_text(source)
        config = {"template": "app.json.j2", "model": f"models:{model}", "python": python}
        declared: dict[str, Any] = {
            "service": "shop",
            "owner": "shop-team",
            "description": "Sells things.",
            "secrets": {
                "password": {"source": "generated", "length": 32},
                "token": {"source": "given"},
            },
            "config": config,
        }
        (self.folder / "services/shop.yaml").write_text(json.dumps(declared))

    @property
    def local(self) -> LocalAwsDeployment:
        declaration = load(self.folder, self.folder / "templates", project=self.folder)
        return LocalAwsDeployment(self.layout, self.ports, declaration)

    def write(self, value: str) -> None:
        """Write the next version of the secret."""
        client = MotoServer(self.ports.aws_address).client("secretsmanager")
        client.put_secret_value(SecretId=SECRET, SecretString=value)

    def delivered(self) -> str:
        """Return the value in the file of the service."""
        value: str = json.loads(self.layout.config("shop", "app.json").read_text())["value"]
        return value


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("[shop]"))
    made.local.up(no_progress)
    yield made
    made.local.started.reset()


@pytest.fixture(autouse=True)
def _valid(site: Site) -> None:
    site.declare("Any")
    site.write("good")


def test_up_delivers_the_current_value(site: Site) -> None:
    site.write("next")
    site.local.up(no_progress)
    assert site.delivered() == "next"


def test_up_checks_by_the_model_that_is_declared_now(site: Site) -> None:
    site.declare("Strict")
    site.local.up(no_progress)
    site.write("bad")
    with pytest.raises(ConfigRejected, match="the config of shop-dev was rejected"):
        site.local.up(no_progress)
    assert site.delivered() == "good"


def test_up_delivers_after_the_reason_of_a_refusal_is_fixed(site: Site) -> None:
    site.declare("Strict")
    site.write("bad")
    with pytest.raises(ConfigRejected):
        site.local.up(no_progress)
    site.write("fixed")
    site.local.up(no_progress)
    assert site.delivered() == "fixed"


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (None, "cannot be used: No such file or directory; make the virtual environment and"),
        ("echo app_integration", "cannot import app_integration;"),
        ("echo boto3", "cannot import boto3;"),
    ],
)
def test_interpreter_that_cannot_deliver_is_named_at_once(
    site: Site, tmp_path: Path, script: str | None, fault: str
) -> None:
    python = tmp_path / "python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o700)
    site.local.servers.stop_deliveries()  # because one that runs would deliver the next value
    before = site.delivered()
    site.write("not delivered")
    site.declare("Any", python=str(python))
    with pytest.raises(ConfigurationError) as raised:
        site.local.up(no_progress)
    message = str(raised.value)
    assert message.startswith(f"the config of shop-dev is not delivered: {python} {fault}")
    assert "install strongroom-sdk[config,aws] there, or correct config.python in" in message
    assert site.delivered() == before != "not delivered"


@pytest.mark.parametrize(("secret", "says"), [("password", True), ("token", False)])
def test_repeated_up_says_which_configs_it_delivered(site: Site, secret: str, says: bool) -> None:
    site.declare("Any", secret=secret)
    site.local.up(no_progress)
    shown = io.StringIO()
    up_on_aws(Console(file=shown, soft_wrap=True), site.local, ())
    assert "nothing was changed" not in shown.getvalue()
    assert "All servers are running and match the declaration." in shown.getvalue()
    assert ("by a new process: the config of shop.\n" in shown.getvalue()) is says


def test_file_of_a_missing_value_is_shown_whole(site: Site) -> None:
    site.declare("Any", secret="token")
    local, shown = site.local, io.StringIO()
    up_on_aws(Console(file=shown, soft_wrap=True), local, ())
    assert f"such as {local.given_file('shop', 'token')}, and run up again" in shown.getvalue()


def test_runtime_is_known_before_its_first_server_is_started(tmp_path: Path) -> None:
    site, found = Site(tmp_path / "new"), set()

    def note(_title: str) -> AbstractContextManager[None]:
        found.add(started_on(site.layout))
        return nullcontext()

    try:
        site.local.servers.start(note)
    finally:
        site.local.started.reset()
    assert found == {MOTO}
