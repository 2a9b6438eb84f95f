"""Customers of the example store who go on while it is deployed again, and what they know."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tests.support.polling import wait_until
from tests.support.processes.running_store import Person, RunningStore

CLIENTS: Final = 4
PASSWORD: Final = "sand-and-more-sand"
#: In each value of a customer of these tests, and in no other.
MARK: Final = "kazekage"
ACTIONS: Final = ("register", "login", "login_by_email", "profile")
_WEIGHTS: Final = (1, 3, 3, 6)
_PAUSE: Final = 0.1  # seconds between two requests of a client
_SECONDS: Final = 60.0  # until the last response of a store that gets no more requests


def customer(name: str) -> Person:
    """Return a customer whose values are all of *name*."""
    email, phone = f"{name}.{MARK}@suna.example", f"+81 {MARK} {name}"
    return Person(name, PASSWORD, email, phone, f'{name}, "{MARK}"\n1 Dune Road, S\u016bna')


class Router:
    """Way of requests to the store that serves now, as a proxy before two colours has it."""

    def __init__(self, store: RunningStore) -> None:
        self._store = store
        self._open: Counter[int] = Counter()
        self._changed = threading.Condition()

    @property
    def store(self) -> RunningStore:
        """Return the store that gets new requests."""
        return self._store

    @contextmanager
    def request(self) -> Iterator[RunningStore]:
        """Yield the store for the requests of the block."""
        with self._changed:
            store = self._store
            self._open[store.port] += 1
        try:
            yield store
        finally:
            with self._changed:
                self._open[store.port] -= 1
                self._changed.notify_all()

    def move(self, store: RunningStore) -> RunningStore:
        """Send new requests to *store*, and return the one before it after its last response."""
        with self._changed:
            old, self._store = self._store, store
            assert self._changed.wait_for(lambda: not self._open[old.port], _SECONDS)
        return old


class Traffic:
    """Customers who register, log in by name and by e-mail, and read their data."""

    def __init__(self, router: Router, people: Mapping[str, Person]) -> None:
        self.people = dict(people)
        self.failed: list[str] = []
        self.served: Counter[str] = Counter()
        self.slowest = 0.0
        self._router = router
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests during the block."""
        ids = list(self.people)
        for at in range(CLIENTS):
            thread = threading.Thread(target=self._run, args=(at, ids[at::CLIENTS]))
            thread.start()
            self._threads.append(thread)
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Wait for the last responses, so that nobody changes a user any more."""
        self._stop.set()
        for each in self._threads:
            each.join(_SECONDS)
            assert not each.is_alive()

    def end(self) -> None:
        """Stop, and check that each response was right."""
        self.stop()
        assert self.failed == []

    def wait_for_all(self) -> None:
        """Wait until each action was served again, or one has failed."""
        with self._lock:
            before = self.served.copy()
        wait_until(
            lambda: self.failed or all(self.served[each] > before[each] for each in ACTIONS),
            "a response to each kind of request",
        )

    def _run(self, at: int, own: list[str]) -> None:
        """Act for the customers *own*, and for those that this client registers."""
        choose, tokens = random.Random(at), dict[str, str]()  # noqa: S311 (actions, not keys)
        while not self._stop.wait(_PAUSE):
            (action,) = choose.choices(ACTIONS, _WEIGHTS)
            begun = time.perf_counter()
            try:
                with self._router.request() as store:
                    self._act(action, store, choose, own, tokens)
            except Exception as error:  # noqa: BLE001 - the test reports it
                self.failed.append(f"{time.time():.1f} {action}: {error!r}")
                continue
            with self._lock:
                self.served[action] += 1
                self.slowest = max(self.slowest, time.perf_counter() - begun)

    def _act(
        self,
        action: str,
        store: RunningStore,
        choose: random.Random,
        own: list[str],
        tokens: dict[str, str],
    ) -> None:
        if action == "register":
            person = customer(f"new-{choose.getrandbits(48):012x}")
            answer = store.request("POST", "/register", body=vars(person))
            assert answer.status_code == 201, answer.text
            with self._lock:
                self.people[answer.json()["id"]] = person
            own.append(answer.json()["id"])
        elif action == "profile" and tokens:
            user = choose.choice(list(tokens))
            check_profile(store, tokens[user], user, self.people[user])
        else:
            user = choose.choice(own)
            log_in = store.login_by_email if action == "login_by_email" else store.login
            tokens[user] = log_in(self.people[user])
            check_profile(store, tokens[user], user, self.people[user])


def check_profile(store: RunningStore, token: str, user: str, person: Person) -> None:
    """Check that the store shows the customer with *token* their own data."""
    answer = store.me(token)
    assert answer.status_code == 200, answer.text
    expected: dict[str, Any] = {"id": user, "username": person.username, **person.private}
    assert answer.json() == expected, "another profile"
