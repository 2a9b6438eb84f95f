"""Versions of secrets that processes of an application show in Prometheus."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.observability.recorder import FILE, UNKNOWN_VERSION
from vault.prometheus import client
from vault.prometheus.client import query_prometheus

#: The gauge that the SDK sets, for its cache and for a delivered file.
METRIC: Final = "strongroom_secret_version"
_OWN_LABELS: Final = frozenset(("__name__", "environment", "service", "secret", "source"))
_MAX_VERSION: Final = 2**31


@dataclass(frozen=True, slots=True)
class Sample(client.Sample):
    """A sample of an instant vector of Prometheus, whose value is a version."""

    @property
    def version(self) -> int:
        """Return the value as a version."""
        return int(self.value)

    @property
    def secret(self) -> str:
        """Return the name of the secret, empty if there is none."""
        return self.own_label("secret")

    @property
    def is_file(self) -> bool:
        """Return whether it is of a delivered file; the samples of an older SDK are not."""
        return self.own_label("source") == FILE

    @property
    def is_known(self) -> bool:
        """Return whether the process knows the version."""
        return self.version != UNKNOWN_VERSION

    @property
    def target(self) -> frozenset[tuple[str, str]]:
        """Return the labels of the target that was scraped, which identify it."""
        own = {*_OWN_LABELS, *(f"exported_{name}" for name in _OWN_LABELS)}
        # The other label of a pair is the target's.
        return frozenset(
            (name, value)
            for name, value in self.labels.items()
            if name not in own or (name in _OWN_LABELS and f"exported_{name}" in self.labels)
        )

    @property
    def identity(self) -> str:
        """Return the pod and the instance, as far as they are known."""
        pod, instance = self.labels.get("pod"), self.labels.get("instance")
        if pod and instance:
            return f"pod {pod} ({instance})"
        return f"pod {pod}" if pod else instance or "a target without the label instance"

    def own_label(self, name: str) -> str:
        """Return a label that the application has set.

        Prometheus renames it to ``exported_…`` if the target has a label of that name.
        """
        return self.labels.get(f"exported_{name}") or self.labels.get(name, "")


@dataclass(frozen=True, slots=True)
class VersionMetrics:
    """What Prometheus knows of the versions of some secrets."""

    current: tuple[Sample, ...] = ()
    earlier: tuple[Sample, ...] = ()
    down: tuple[Sample, ...] = ()

    def of(self, scope: Scope) -> VersionMetrics:
        """Return those of one service and environment, by the labels that the SDK sets."""
        return VersionMetrics(
            tuple(each for each in self.current if _is_of(each, scope)),
            tuple(each for each in self.earlier if _is_of(each, scope)),
            self.down,
        )


def build_queries(names: Collection[str], since: timedelta) -> dict[str, str]:
    """Return the queries of the fields of :class:`VersionMetrics`."""
    seconds = max(1, int(since.total_seconds()))
    selector = f'{METRIC}{{secret=~"{"|".join(sorted(names))}"}}'
    earlier = f"last_over_time({selector}[{seconds}s])"
    return {
        "current": selector,
        "earlier": earlier,
        "down": f"up == 0 and on (job) {earlier}",
    }


def read_versions(samples: Iterable[client.Sample]) -> tuple[Sample, ...]:
    """Return *samples* whose values are versions."""
    found = tuple(Sample(each.labels, each.value) for each in samples)
    if not all(0 <= each.value < _MAX_VERSION and each.value.is_integer() for each in found):
        raise ConfigurationError(
            "Prometheus shows a version that is no whole number; check its relabelling"
        )
    return found


def _is_of(sample: Sample, scope: Scope) -> bool:
    wanted = scope.service, scope.environment.value
    return (sample.own_label("service"), sample.own_label("environment")) == wanted


def read_version_metrics(url: str, names: Collection[str], since: timedelta) -> VersionMetrics:
    """Return which versions of the secrets *names* the targets of Prometheus show."""
    try:
        found = {
            field: read_versions(query_prometheus(url, text))
            for field, text in build_queries(names, since).items()
        }
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}; correct --prometheus, or leave it out to wait for the time bound"
        ) from None
    return VersionMetrics(**found)
