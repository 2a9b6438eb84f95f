"""Running local deployment on AWS, for tests that also run on Vault."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration.client import Client
from app_integration.names import Environment, Scope
from app_integration.settings import Settings, from_environment
from local.aws.deployment import LocalAwsDeployment
from local.layout import Layout
from local.processes.processes import ProcessManager
from local.runtime_interface import no_progress
from local.runtimes.moto_runtime import DELIVERY
from tests.support.polling import wait_until
from tests.support.processes.pause import pause, resume
from tests.support.servers.deployment import Deployment
from tests.support.servers.moto_server import MotoServer
from vault.declare.load import PROJECT

SERVICE: Final = "gaara-store"
#: Part of a deployment on Vault → the part that does the same on AWS.
_PARTS: Final = {"vault": "aws", "agent": f"{DELIVERY}{SERVICE}"}
_BACKENDS: Final = PROJECT / "docs" / "Backends.md"


@dataclass
class AwsDeployment:
    """A running local deployment on AWS. Each test must restore what it changes."""

    local: LocalAwsDeployment

    @property
    def layout(self) -> Layout:
        return self.local.layout

    @property
    def variables(self) -> dict[str, str]:
        return self.local.service(SERVICE).variables()

    @property
    def settings(self) -> Settings:
        return from_environment(self.variables)

    def open_client(self) -> Client:
        return Client(self.settings, aws=self.local.connection())

    def write_secret(self, name: str, value: str) -> None:
        client = MotoServer(self.local.ports.aws_address).client("secretsmanager")
        client.put_secret_value(
            SecretId=Scope(SERVICE, Environment.DEV).secret(name), SecretString=value
        )

    def kill(self, name: str) -> None:
        """Kill the part that does what *name* does on Vault.

        moto is paused instead, because it would lose its keys. It is just as unreachable.
        """
        processes, part = ProcessManager(self.layout), _PARTS[name]
        running = processes.find(part)
        assert running is not None
        if part == "aws":
            pause(running.pid)
        else:
            os.kill(running.pid, signal.SIGKILL)
            wait_until(lambda: processes.find(part) is None, f"the end of {part}")

    def revive(self) -> None:
        """Restart the parts that were killed."""
        running = ProcessManager(self.layout).find("aws")
        assert running is not None
        resume(running.pid)
        self.local.up(no_progress)

    def refresh(self, *folders: str) -> None:
        """Do nothing, because no part runs in a container."""


def is_other_on_aws(deployment: Deployment | AwsDeployment, row: str) -> bool:
    """Return whether *deployment* is on AWS, where docs/Backends.md has another meaning."""
    rows = re.findall(r"^\| ([^|]+?) \|", Path(_BACKENDS).read_text(encoding="utf-8"), re.MULTILINE)
    assert row in rows
    return isinstance(deployment, AwsDeployment)
