"""Example store as a separate process or container, used over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import requests

from local.runtimes.container_runtime import ContainerRuntime
from tests.support.polling import wait_until
from tests.support.servers.deployment import container

__all__ = ["ROOT", "Person", "RunningStore", "StoreInContainer", "wait_until"]

ROOT: Final = Path(__file__).parents[3]
HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 30.0  # longer than the SDK's deadline


@dataclass(frozen=True)
class Person:
    username: str
    password: str
    email: str
    phone: str
    address: str

    @property
    def private(self) -> dict[str, str]:
        """Return the fields that PostgreSQL must not see in plaintext."""
        return {"email": self.email, "phone": self.phone, "address": self.address}


@dataclass
class RunningStore:
    variables: dict[str, str]
    port: int
    log_file: Path
    tokens: list[str] = field(default_factory=list)
    host: str = HOST
    program: Sequence[str] = (sys.executable,)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the store and wait until it is healthy."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "-m", "examples.gaara_store"],
                cwd=ROOT,
                env={**self.variables, "STRONGROOM_STORE_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._is_healthy, f"a healthy store, which printed {self.log}", START_SECONDS)

    def stop(self) -> int:
        """Stop the store as a service manager does, and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def health(self) -> dict[str, Any]:
        body: dict[str, Any] = self.request("GET", "/health").json()
        return body

    def register(self, person: Person) -> None:
        answer = self.request("POST", "/register", body=vars(person))
        assert answer.status_code == 201, answer.text

    def login(self, person: Person) -> str:
        body = {"username": person.username, "password": person.password}
        answer = self.request("POST", "/login", body=body)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        self.tokens.append(token)
        return token

    def login_by_email(self, person: Person) -> str:
        return self.login(replace(person, username=person.email))

    def me(self, token: str) -> requests.Response:
        return self.request("GET", "/me", token=token)

    def export(self, token: str) -> requests.Response:
        return self.request("POST", "/export", token=token)

    def request(
        self, method: str, path: str, *, token: str = "", body: dict[str, str] | None = None
    ) -> requests.Response:
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

    def _is_healthy(self) -> bool:
        self._check_alive()
        try:
            return bool(self.health()["status"] == "ok")
        except requests.ConnectionError:
            return False


class StoreInContainer(RunningStore):
    def __init__(self, servers: ContainerRuntime) -> None:
        super().__init__({}, servers.ports.store, Path(os.devnull), host="0.0.0.0")  # noqa: S104 (of its container)
        self._servers = servers

    def start(self) -> None:
        """Start the container and wait until the store is healthy."""
        with container(self._servers, "store") as found:
            found.start()
        wait_until(self._is_healthy, "a healthy store", START_SECONDS)

    def stop(self) -> int:
        """Stop the container through the engine, and return the exit code."""
        with container(self._servers, "store") as found:
            found.stop(timeout=int(STOP_SECONDS))
            return int(found.wait()["StatusCode"])

    @property
    def log(self) -> str:
        with container(self._servers, "store") as found:
            text: str = found.logs().decode()
            return text

    def _check_alive(self) -> None:
        with container(self._servers, "store") as found:
            assert found.status == "running", self.log
