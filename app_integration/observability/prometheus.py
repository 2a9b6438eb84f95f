"""The figures as Prometheus reads them."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app_integration.observability.recorder import Recorder

#: Names told apart in labels; a caller that asks for one name after the other must not fill the
#: memory of whoever scrapes.
MAX_NAMES: Final = 256
OTHER: Final = "other"
_LIVES: Final = (10.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)  # seconds


class Prometheus(Recorder):
    """Counts under ``strongroom_*``, labelled with one environment. Thread-safe.

    Its collectors are in a registry of their own, which the default registry shows: after a fork
    another recorder takes its place there, whose locks no lost thread can hold.
    """

    def __init__(self, environment: str, *, clock: Callable[[], float] = time.time) -> None:
        """Args: *clock* in seconds since the epoch."""
        self.registry = CollectorRegistry()
        self._tallies = _Tallies()
        self.registry.register(self._tallies)  # the first, so it is asked before the counters
        self._environment = environment
        self._clock = clock
        self._names: set[str] = set()
        self._hot: dict[tuple[str, str], Counter] = {}
        self._make_counters()
        self._make_gauges()
        _shown.put(self)

    def _make_counters(self) -> None:
        def counter(name: str, words: str, *labels: str) -> Counter:
            full, labels = f"strongroom_{name}", ("environment", *labels)
            return Counter(full, words, labels, registry=self.registry)

        self._accesses = counter("secret_access", "Accesses of secrets.", "secret", "outcome")
        self._operations = {
            "request": counter("requests", "Requests, each with its retries.", "outcome"),
            "login": counter("logins", "Logins at the server.", "outcome"),
            "unwrapping": counter("unwrappings", "Unwrappings of a secret-id.", "outcome"),
            "data-key-check": counter(
                "data_key_checks", "Looks for the stored data key in use.", "outcome"
            ),
            "orphan-lease": counter(
                "orphan_leases", "Leases that may have been issued, their answer lost.", "outcome"
            ),
            "renewal": counter("renewals", "Renewals of the token.", "outcome"),
        }
        self._rotations = counter("rotations", "Newer values that were seen.", "kind", "name")

    def _make_gauges(self) -> None:
        self._stale = Gauge(
            "strongroom_secret_stale_seconds",
            "Age of a value that is served while the server is away; 0 when it is fresh.",
            ("environment", "secret"),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._ends = Gauge(
            "strongroom_lease_expires_timestamp_seconds",
            "When the token or leased database user in use ends.",
            ("environment", "holder"),
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._lives = Histogram(
            "strongroom_lease_life_seconds",
            "Time that the server gave tokens and leased database users to live.",
            ("environment", "holder"),
            registry=self.registry,
            buckets=_LIVES,
        )

    def access(self, name: str, outcome: str) -> None:
        """As :meth:`.recorder.Recorder.access`; a known pair costs one ``inc``."""
        counter = self._hot.get((name, outcome))
        if counter is None:
            counter = self._bind(name, outcome)
        counter.inc()

    def counter(self, name: str, outcome: str) -> Callable[[], object]:
        """As :meth:`.recorder.Recorder.counter`."""
        counter = self._hot.get((name, outcome)) or self._bind(name, outcome)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            return counter.inc  # another process may show the page
        return self._tallies.of(counter)

    def staleness(self, name: str, age: float) -> None:
        """As :meth:`.recorder.Recorder.staleness`."""
        self._stale.labels(self._environment, self._label(name)).set(age)

    def record_operation(self, operation: str, outcome: str) -> None:
        """As :meth:`.recorder.Recorder.record_operation`."""
        self._operations[operation].labels(self._environment, outcome).inc()

    def lease(self, holder: str, seconds: float) -> None:
        """As :meth:`.recorder.Recorder.lease`."""
        labels = (self._environment, self._label(holder))
        self._ends.labels(*labels).set(self._clock() + seconds)
        self._lives.labels(*labels).observe(seconds)

    def rotation(self, kind: str, name: str) -> None:
        """As :meth:`.recorder.Recorder.rotation`."""
        self._rotations.labels(self._environment, kind, self._label(name)).inc()

    def render(self) -> tuple[bytes, str]:
        """The default registry's page; of all workers where ``PROMETHEUS_MULTIPROC_DIR`` is set."""
        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library's
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _bind(self, name: str, outcome: str) -> Counter:
        label = self._label(name)
        counter = self._accesses.labels(self._environment, label, outcome)
        if label == name:
            self._hot[name, outcome] = counter
        return counter

    def _label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                return OTHER
            self._names.add(name)
        return name


class _Tallies:
    """Counts that cost next to nothing, and reach their counters when somebody looks.

    A counter's own ``inc`` takes a third of what a cached secret does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: list[tuple[itertools.count[int], Counter]] = []
        self._known: list[int] = []

    def of(self, counter: Counter) -> Callable[[], object]:
        """What counts one for *counter*; atomic, as one step of C is."""
        cell = itertools.count()
        with self._lock:
            self._cells.append((cell, counter))
            self._known.append(0)
        return cell.__next__

    def describe(self) -> Iterable[Metric]:
        """Nothing of its own."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Bring the counters up to date; nothing of its own."""
        with self._lock:
            for place, (cell, counter) in enumerate(self._cells):
                seen = next(cell)  # which counts one itself
                counter.inc(seen - self._known[place])
                self._known[place] = seen + 1
        return []


class _Shown:
    """Shows the newest recorder in the default registry."""

    def __init__(self) -> None:
        self._recorder: Prometheus | None = None

    def put(self, recorder: Prometheus) -> None:
        """Show *recorder* from now on."""
        if self._recorder is None:
            REGISTRY.register(self)
        self._recorder = recorder

    def describe(self) -> Iterable[Metric]:
        """Nothing: asked at registration, when there is nothing yet."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The figures of the recorder shown."""
        return self._recorder.registry.collect() if self._recorder else []


_shown = _Shown()
