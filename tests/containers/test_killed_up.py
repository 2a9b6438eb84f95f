"""A first `up` of three services in containers that is killed at any point.

See tests/e2e/test_killed_up.py for the embedded deployment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.packages import PACKAGES
from tests.support.processes.killed_up import check_next_up_completes, kill_after_steps
from tests.support.processes.shell import ROOT, Shell
from tests.support.servers.deployment import require_images

pytestmark = [pytest.mark.requires("docker"), pytest.mark.timeout(600)]

#: Steps of a first start, each of which prints a line. Only the second has containers to kill.
STEPS = (pytest.param(1, marks=pytest.mark.nightly), 2, pytest.param(3, marks=pytest.mark.nightly))
#: What the image is built from, and the command runs from.
FILES = ("strongroom.yaml", ".dockerignore", "docker-compose.yml")
IMAGE = "strongroom:test-three-services"
BILLING = """\
service: billing
owner: billing@example.com
description: Writes invoices.
secrets:
  signing-key: {source: generated, length: 48}
  database-url: {source: given}
keys:
  pii: {allow: [encrypt, decrypt]}
database:
  engine: postgresql
  name: billing
  roles:
    default: {ttl: 1h, max_ttl: 24h}
config: {template: app.yaml.j2, model: "examples.service_config:ServiceConfig"}
"""
TEMPLATE = 'jwt:\n  secret: {{ secret("signing-key") }}\n'


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this clone with a third service, as a team adds its own."""
    clone = tmp_path_factory.mktemp("clone") / "project"
    clone.mkdir()
    for name in FILES:
        shutil.copy2(ROOT / name, clone / name)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, clone / name, ignore=ignored)
    (clone / "vault/declare/services/billing.yaml").write_text(BILLING)
    (clone / "agent/templates/billing").mkdir()
    (clone / "agent/templates/billing/app.yaml.j2").write_text(TEMPLATE)
    environment = clone / "vault/declare/environments/dev.yaml"
    text = environment.read_text()
    assert text.count("\nservices:\n") == 1
    services = "\nservices:\n  billing: {database: 127.0.0.1:15432}\n"
    environment.write_text(text.replace("\nservices:\n", services))
    return clone


@pytest.fixture
def shell(tmp_path: Path, clone: Path) -> Iterator[Shell]:
    require_images()
    variables = {**os.environ, "STRONGROOM_RUNTIME": "docker", "STRONGROOM_IMAGE": IMAGE}
    shell = Shell(tmp_path / ".strongroom", variables, project=clone)
    yield shell
    shell("reset", "--yes")


@pytest.mark.parametrize("steps", STEPS)
def test_up_killed_after_any_step_is_completed_by_the_next(shell: Shell, steps: int) -> None:
    kill_after_steps(shell, steps)
    check_next_up_completes(shell, services=("billing", "gaara-store", "orders-mail"))
