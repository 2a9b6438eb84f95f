"""Recorder that exports metrics to Prometheus."""

from __future__ import annotations

import collections
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric

from app_integration.observability import default_registry
from app_integration.observability.recorder import CACHE, Recorder

#: Number of different names in labels. It is bounded because a caller that requests one name after
#: another must not fill the memory of the Prometheus server.
MAX_NAMES: Final = 256
OTHER: Final = "other"
#: Few, because each is a series of every process. The mean, which alerts compare, needs none.
_DURATION_BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)  # seconds
_TTL_BUCKETS: Final = (10.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)  # seconds


class Prometheus(Recorder):
    """A recorder of metrics named ``strongroom_*`` with one environment label. Thread-safe.

    Its collectors are in its own registry, which the default registry includes. After a fork a new
    recorder replaces it there, because a thread that did not survive the fork may hold its locks.
    """

    def __init__(self, environment: str, *, clock: Callable[[], float] = time.time) -> None:
        """Create the collectors, and include them in the default registry.

        Args:
            environment: The value of the label ``environment``.
            clock: Returns seconds since the epoch.

        Raises:
            ConfigurationError: If ``PROMETHEUS_MULTIPROC_DIR`` names no folder for files.

        """
        default_registry.check_shared_folder()
        self.registry = CollectorRegistry()
        self._fast_counters = FastCounters()
        # Registered first, because it must be collected before the counters that it updates.
        self.registry.register(self._fast_counters)
        self._environment = environment
        self._clock = clock
        self._names: set[str] = set()
        self._bound: dict[tuple[str, str], Counter] = {}
        # To look a child up by its labels costs more than what it counts.
        self._child = cache(lambda metric, *labels: metric.labels(environment, *labels))
        self._make_counters()
        self._make_gauges()
        self._make_histograms()
        default_registry.show(self.registry)

    def _make_counters(self) -> None:
        def counter(name: str, help_text: str, *labels: str) -> Counter:
            full, labels = f"strongroom_{name}", ("environment", *labels)
            return Counter(full, help_text, labels, registry=self.registry)

        self._accesses = counter("secret_access", "Accesses to secrets.", "secret", "outcome")
        self._operations = {
            "request": counter("requests", "Requests; retries of a request count once.", "outcome"),
            "login": counter("logins", "Logins to the server.", "outcome"),
            "unwrapping": counter("unwrappings", "Unwrappings of a wrapped secret-id.", "outcome"),
            "data-key-check": counter(
                "data_key_checks", "Checks whether the active data key is still stored.", "outcome"
            ),
            "database-connection": counter(
                "database_connections",
                "Connections that engines and pools opened, or failed to open.",
                "outcome",
            ),
            "orphan-lease": counter(
                "orphan_leases",
                "Leases that the server may have issued although its response was lost.",
                "outcome",
            ),
            "renewal": counter("renewals", "Renewals of the Vault token.", "outcome"),
        }
        self._rotations = counter(
            "rotations", "Replacements of a value by a newer one.", "kind", "name"
        )

    def _make_gauges(self) -> None:
        self._stale = self._gauge(
            "secret_stale_seconds",
            "Age of a value that is served stale during an outage; 0 if it is fresh.",
            "livemax",
            "secret",
        )
        self._versions = self._gauge(
            "secret_version",
            "Version of a secret in the cache or in a delivered file, 0 if it is not known; of "
            "several processes, the oldest.",
            "livemin",
            *("service", "secret", "source"),
        )
        self._expiry = self._gauge(
            "lease_expires_timestamp_seconds",
            "Expiry of the current Vault token or database lease.",
            "livemin",
            "holder",
        )
        self._certificates = self._gauge(
            "server_certificate_expires_timestamp_seconds",
            "End of the certificate that the server showed on the newest connection.",
            "livemin",
            "server",
        )
        self._live = self._gauge(
            "delivery_live",
            "1 if the delivered file has what the agent rendered last, 0 if it was not accepted.",
            "livemin",
            "file",
        )
        self._delivered = self._gauge(
            "delivery_timestamp_seconds",
            "Time of the last delivery, be it accepted or not.",
            "livemax",
            "file",
        )

    def _gauge(self, name: str, help_text: str, mode: Any, *labels: str) -> Gauge:
        """Return a new gauge; *mode* says which of several processes counts."""
        full, labels = f"strongroom_{name}", ("environment", *labels)
        return Gauge(full, help_text, labels, registry=self.registry, multiprocess_mode=mode)

    def _make_histograms(self) -> None:
        self._durations = Histogram(
            "strongroom_request_duration_seconds",
            "Time of a successful request to the server, with its retries.",
            ("environment",),
            registry=self.registry,
            buckets=_DURATION_BUCKETS,
        )
        self._ttls = Histogram(
            "strongroom_lease_life_seconds",
            "TTL that the server granted to Vault tokens and database leases.",
            ("environment", "holder"),
            registry=self.registry,
            buckets=_TTL_BUCKETS,
        )

    def record_access(self, name: str, outcome: str) -> None:
        """Record one access of a secret; a recurring pair costs one ``inc``."""
        counter = self._bound.get((name, outcome))
        if counter is None:
            counter = self._bind(name, outcome)
        counter.inc()

    def bind_access(self, name: str, outcome: str) -> Callable[[], object]:
        """Return a function that records one :meth:`record_access` per call."""
        counter = self._bound.get((name, outcome)) or self._bind(name, outcome)
        if default_registry.is_shared():
            return counter.inc  # because another process may render the page
        return self._fast_counters.bind(counter)

    def count_accesses(self) -> collections.Counter[str]:
        """Return the accesses that were recorded in this process, by their outcome."""
        self._fast_counters.collect()
        counts: collections.Counter[str] = collections.Counter()
        for metric in self._accesses.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    counts[sample.labels["outcome"]] += int(sample.value)
        return counts

    def record_staleness(self, name: str, age: float) -> None:
        """Record the *age* of a stale value in seconds, or 0.0 for a fresh one."""
        self._stale.labels(self._environment, self._label(name)).set(age)

    def record_version(self, service: str, name: str, version: int, source: str = CACHE) -> None:
        """Record the version of a secret; names beyond the limit have none, as all share one."""
        label = self._label(name)
        if label == name:
            self._versions.labels(self._environment, service, label, source).set(version)

    def record_operation(self, operation: str, outcome: str) -> None:
        """Record the outcome of one operation, which has a counter."""
        self._child(self._operations[operation], outcome).inc()

    def record_duration(self, seconds: float) -> None:
        """Record how long a successful request took, with its retries."""
        self._child(self._durations).observe(seconds)

    def record_certificate(self, server: str, expires: float) -> None:
        """Record the expiry of the certificate that a server has shown."""
        self._certificates.labels(self._environment, self._label(server)).set(expires)

    def record_delivery(self, file: str, delivered: float, *, is_live: bool) -> None:
        """Record the outcome of the last delivery of a config."""
        labels = (self._environment, self._label(file))
        self._live.labels(*labels).set(is_live)
        self._delivered.labels(*labels).set(delivered)

    def record_ttl(self, holder: str, seconds: float) -> None:
        """Record the TTL of a new or renewed token or lease."""
        labels = (self._environment, self._label(holder))
        self._expiry.labels(*labels).set(self._clock() + seconds)
        self._ttls.labels(*labels).observe(seconds)

    def record_rotation(self, kind: str, name: str) -> None:
        """Record that a newer value replaced another."""
        self._rotations.labels(self._environment, kind, self._label(name)).inc()

    def render(self) -> tuple[bytes, str]:
        """Return body and content type of the default registry's page.

        If ``PROMETHEUS_MULTIPROC_DIR`` is set, it covers all worker processes.
        """
        return default_registry.render()

    def _bind(self, name: str, outcome: str) -> Counter:
        label = self._label(name)
        counter = self._accesses.labels(self._environment, label, outcome)
        if label == name:
            self._bound[name, outcome] = counter
        return counter

    def _label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                return OTHER
            self._names.add(name)
        return name


class FastCounters:
    """A collector of cheap counts, which it adds to their counters at each scrape.

    A counter's own ``inc`` takes a third of the time of a cached ``get_secret``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: list[tuple[itertools.count[int], Counter]] = []
        self._added: list[int] = []  # what was added to each counter, plus one for each scrape

    def bind(self, counter: Counter) -> Callable[[], object]:
        """Return a function that counts one for *counter*, atomically because it is one C call."""
        cell = itertools.count()
        with self._lock:
            self._cells.append((cell, counter))
            self._added.append(0)
        return cell.__next__

    def describe(self) -> Iterable[Metric]:
        """Return no metric, because the counters describe themselves."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Add the counts since the last call to the counters, and return no metric."""
        with self._lock:
            for index, (cell, counter) in enumerate(self._cells):
                count = next(cell)  # which also counts one
                counter.inc(count - self._added[index])
                self._added[index] = count + 1
        return []
