"""A server that answers a session from a script, on a clock that moves when told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from app_integration._internal.background_worker import BackgroundWorker
from app_integration.errors import AccessDenied, StrongroomError

LOGIN = "auth/approle/login"
LOOKUP = "auth/token/lookup-self"
RENEW = "auth/token/renew-self"
REVOKE = "auth/token/revoke-self"
TTL = 3600  # seconds

#: What the server does for one request: an answer, an error, or something that makes either.
Answer = dict[str, Any] | StrongroomError | Callable[[], Any]


def auth(token: str, ttl: int = TTL) -> dict[str, Any]:
    return {"auth": {"client_token": token, "lease_duration": ttl, "renewable": True}}


class Server:
    """Stands in for the transport. Logins give the tokens t1, t2 and so on."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}  # by path; the last one stays
        self.revoked: set[str] = set()
        self.seen: list[tuple[str, str | None]] = []  # path and token of each request
        self.timeouts: list[float] = []
        self.bodies: list[Any] = []
        self.took = 0.0  # seconds a request takes, on the clock
        self.clock = Clock()
        self._lock = threading.Lock()

    def send(
        self,
        method: str,  # noqa: ARG002 (the port's parameter)
        path: str,
        *,
        timeout: float,
        token: str | None = None,
        body: Any = None,
        **_: Any,
    ) -> Any:
        with self._lock:
            self.timeouts.append(timeout)
            self.bodies.append(body)
            self.seen.append((path, token))
            self.clock.now += self.took
            script = self.answers.get(path) or [self._usual(path, token)]
            answer = script.pop(0) if len(script) > 1 else script[0]
        if callable(answer):
            answer = answer()
        if token in self.revoked:
            raise AccessDenied("permission denied")
        if isinstance(answer, StrongroomError):
            raise answer
        return answer

    def _usual(self, path: str, token: str | None) -> Answer:
        if path == LOGIN:
            return auth(f"t{self.count(LOGIN)}")
        return auth(token or "") if path == RENEW else {"data": {}}

    def close(self) -> None:
        pass

    def count(self, path: str) -> int:
        return Counter(path for path, _ in self.seen)[path]


class Clock:
    """Time that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Pauses(threading.Event):
    """Takes no time; closes *worker* after so many pauses."""

    def __init__(self, count: int, worker: BackgroundWorker) -> None:
        super().__init__()
        self.count = count
        self.worker = worker

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 (as that of an event)
        self.count -= 1
        if self.count < 0:
            self.worker.close()
        return False
