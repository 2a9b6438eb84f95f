"""Scripted transport for tests of a session, with a clock that only sleeping advances."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from app_integration._internal.background_worker import BackgroundWorker
from app_integration.errors import AccessDenied, StrongroomError
from app_integration.transport.request import Request, RequestSender, Response
from app_integration.transport.responses import accept

LOGIN = "auth/approle/login"
LOOKUP = "auth/token/lookup-self"
RENEW = "auth/token/renew-self"
REVOKE = "auth/token/revoke-self"
TTL = 3600  # seconds

#: The result of one request: a response, an error, or a function that returns or raises one.
Answer = dict[str, Any] | Response | StrongroomError | Callable[[], Any]


def auth(token: str, ttl: int = TTL) -> dict[str, Any]:
    return {"auth": {"client_token": token, "lease_duration": ttl, "renewable": True}}


class Server(RequestSender):
    """A fake transport. Logins return the tokens t1, t2 and so on."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.revoked: set[str] = set()
        self.seen: list[tuple[str, str | None]] = []
        self.timeouts: list[float] = []
        self.bodies: list[Any] = []
        self.took = 0.0
        self.clock = Clock()
        self._lock = threading.Lock()

    def exchange(self, request: Request, *, timeout: float, token: str | None = None) -> Response:
        path, request.response = request.path, None
        with self._lock:
            self.timeouts.append(timeout)
            self.bodies.append(None if request.body is None else json.loads(request.body))
            self.seen.append((path, token))
            self.clock.now += self.took
            script = self.answers.get(path) or [self._default(path, token)]
            answer = script.pop(0) if len(script) > 1 else script[0]
        if callable(answer):
            answer = answer()
        if token in self.revoked:
            raise AccessDenied("permission denied")
        if isinstance(answer, StrongroomError):
            raise answer
        if isinstance(answer, Response):
            return accept(request, answer)
        return accept(request, Response(200, json.dumps(answer).encode()))

    def _default(self, path: str, token: str | None) -> Answer:
        if path == LOGIN:
            return auth(f"t{self.count(LOGIN)}")
        return auth(token or "") if path == RENEW else {"data": {}}

    def close(self) -> None:
        pass

    def count(self, path: str) -> int:
        return Counter(path for path, _ in self.seen)[path]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Pauses(threading.Event):
    """An event whose ``wait`` takes no time, and closes *worker* after *count* calls."""

    def __init__(self, count: int, worker: BackgroundWorker) -> None:
        super().__init__()
        self.count = count
        self.worker = worker

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 (as that of an event)
        self.count -= 1
        if self.count < 0:
            self.worker.close()
        return False
