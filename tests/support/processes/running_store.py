"""The example store as a process of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import requests

from tests.support.servers.deployment import container, eventually
from vault.runtime.docker.containers import ContainerRuntime

__all__ = ["ROOT", "Person", "RunningStore", "StoreInContainer", "eventually"]

ROOT: Final = Path(__file__).parents[3]
HOST: Final = "127.0.0.1"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 30.0  # longer than the SDK tries to reach Vault


@dataclass(frozen=True)
class Person:
    """Somebody with data to protect, and a password."""

    username: str
    password: str
    email: str
    phone: str
    address: str

    @property
    def private(self) -> dict[str, str]:
        """What PostgreSQL must not see."""
        return {"email": self.email, "phone": self.phone, "address": self.address}


@dataclass
class RunningStore:
    """One store; *variables* are its whole environment."""

    variables: dict[str, str]
    port: int
    log_file: Path
    tokens: list[str] = field(default_factory=list)  # every one that it issued
    host: str = HOST  # where it listens
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is well."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "examples.gaara_store"],
                cwd=ROOT,
                env={**self.variables, "STRONGROOM_STORE_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._well, f"a healthy store, which said {self.log}", START_SECONDS)

    def stop(self) -> int:
        """Stop it as a service manager does; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        """All that it printed."""
        return self.log_file.read_text(encoding="utf-8")

    def health(self) -> dict[str, Any]:
        """The body of ``/health``."""
        body: dict[str, Any] = self.ask("GET", "/health").json()
        return body

    def register(self, person: Person) -> None:
        """Make *person* a customer."""
        answer = self.ask("POST", "/register", body=vars(person))
        assert answer.status_code == 201, answer.text

    def login(self, person: Person) -> str:
        """The token that *person* gets."""
        body = {"username": person.username, "password": person.password}
        answer = self.ask("POST", "/login", body=body)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        self.tokens.append(token)
        return token

    def login_by_email(self, person: Person) -> str:
        """The token that *person* gets under the e-mail address they registered with."""
        return self.login(replace(person, username=person.email))

    def me(self, token: str) -> requests.Response:
        """What the store says of whoever holds *token*."""
        return self.ask("GET", "/me", token=token)

    def export(self, token: str) -> requests.Response:
        """Have the data of whoever holds *token* sent."""
        return self.ask("POST", "/export", token=token)

    def ask(
        self, method: str, path: str, *, token: str = "", body: dict[str, str] | None = None
    ) -> requests.Response:
        """Its answer to one request."""
        return requests.request(
            method,
            f"http://{HOST}:{self.port}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=ANSWER_SECONDS,
        )

    def _check_alive(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log

    def _well(self) -> bool:
        self._check_alive()
        try:
            return bool(self.health()["status"] == "ok")
        except requests.ConnectionError:
            return False


class StoreInContainer(RunningStore):
    """The store of a deployment in containers."""

    def __init__(self, servers: ContainerRuntime) -> None:
        super().__init__({}, servers.ports.store, Path(os.devnull), host="0.0.0.0")  # noqa: S104 (of its container)
        self._servers = servers

    def start(self) -> None:
        """Start it and wait until it is well."""
        with container(self._servers, "store") as found:
            found.start()
        eventually(self._well, "a healthy store", START_SECONDS)

    def stop(self) -> int:
        """Stop it as the engine does; gives the exit code."""
        with container(self._servers, "store") as found:
            found.stop(timeout=int(STOP_SECONDS))
            return int(found.wait()["StatusCode"])

    @property
    def log(self) -> str:
        """All that it printed."""
        with container(self._servers, "store") as found:
            text: str = found.logs().decode()
            return text

    def _check_alive(self) -> None:
        with container(self._servers, "store") as found:
            assert found.status == "running", self.log
