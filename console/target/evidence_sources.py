"""Audit logs and metrics that show who uses the old value of a rotation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from console.target.audit_logs.response_log import open_response_log
from console.target.target import Target
from vault.rotation.consumers.consumer_log import ConsumerLog, read_consumer_log
from vault.rotation.consumers.login_log import LoginLog, read_login_log
from vault.rotation.consumers.version_metrics import VersionMetrics, read_version_metrics
from vault.rotation.response_log import ResponseLog


@dataclass(slots=True)
class EvidenceSources:
    """What an operator names as evidence, by default the audit logs of the local deployment."""

    target: Target
    audit_logs: Sequence[Path]
    store: Path | None
    prometheus: str | None = None
    _logs: dict[frozenset[str], ConsumerLog] = field(default_factory=dict)
    _logins: LoginLog | None = None
    _expected: frozenset[str] = frozenset()

    def expect(self, paths: Collection[str]) -> None:
        """Let the logs be read once for all *paths*; each later call asks for some of them."""
        self._expected = frozenset(paths)

    def read_log(self, paths: Collection[str]) -> ConsumerLog | None:
        """Return what the logs say of the reads of API paths, None without a log.

        A further call with the same paths reads only what is new.
        """
        log, asked = self._open_log(), frozenset(paths)
        if log is None:
            return None
        key = self._expected if asked.issubset(self._expected) else asked
        if key not in self._logs:
            self._logs[key] = read_consumer_log(log, key)
        else:
            self._logs[key].read()
        return self._logs[key]

    def read_logins(self) -> LoginLog | None:
        """Return what the logs say of the logins of AppRoles, None without a log.

        A further call, for another role too, reads only what is new.
        """
        log = self._open_log()
        if log is None:
            return None
        if self._logins is None:
            self._logins = read_login_log(log, f"{self.target.declared.mounts.auth}/login")
        else:
            self._logins.read()
        return self._logins

    def read_metrics(self, names: Collection[str], since: timedelta) -> VersionMetrics | None:
        """Return what Prometheus shows of the secrets *names*, None without one."""
        if self.prometheus is None:
            return None
        return read_version_metrics(self.prometheus, names, since)

    def _open_log(self) -> ResponseLog | None:
        return open_response_log(self.target, self.audit_logs, self.store)
