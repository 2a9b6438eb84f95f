"""Agents of a deployment's services: their start, and the wait for their deliveries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from app_integration.errors import StrongroomError
from local.runtime_interface import AgentHost
from vault.progress import Step

if TYPE_CHECKING:
    from local.services.local_agent import LocalAgent

#: Seconds until an agent must have delivered its first config, and for each further one, because
#: the agents share this machine's processors.
DELIVERY_SECONDS: Final = 30.0
FURTHER_SECONDS: Final = 3.0


class ServicesFailed(StrongroomError):
    """Services whose configs were not delivered. The others' configs were."""

    @classmethod
    def combine(cls, errors: Mapping[str, StrongroomError]) -> StrongroomError:
        """Return the error of a single service, or one error that lists those of several."""
        if len(errors) == 1:
            return next(iter(errors.values()))
        lines = [f"{service}: {error}" for service, error in errors.items()]
        return cls(f"{len(errors)} services have no current config:\n" + "\n".join(lines))


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Result of :meth:`Agents.deliver`."""

    is_host_started: bool
    delivered: tuple[str, ...]
    errors: Mapping[str, StrongroomError]


class Agents:
    """Agents by service, run by *host*, or by the runtime itself if it is None.

    *others* are the agents of services that are not to be started.
    """

    def __init__(
        self,
        agents: Mapping[str, LocalAgent],
        host: AgentHost | None,
        others: Collection[LocalAgent] = (),
    ) -> None:
        self._agents = agents
        self._host = host
        self._others = others

    def deliver(
        self, step: Step, restarted: Collection[str] = (), missing: Collection[str] = ()
    ) -> DeliveryResult:
        """Start each agent whose files have changed, and wait until all have delivered.

        So it does with those in *restarted*, and those that have not delivered their current files.
        The agents start at the same time, and one that fails does not hold up the others. One that
        needs a secret in *missing* is not waited for.
        """
        if self._host is None:
            errors = self._find_errors(missing)
            return DeliveryResult(is_host_started=False, delivered=(), errors=errors)
        if not self._agents:
            return DeliveryResult(is_host_started=False, delivered=(), errors={})
        return self._deliver(self._host, step, restarted, missing)

    def _find_errors(self, missing: Collection[str]) -> dict[str, StrongroomError]:
        """Return the error of each agent in a container that has no current config."""
        errors: dict[str, StrongroomError] = {}
        for service, agent in self._agents.items():
            try:
                agent.check_values(missing)
                agent.check_delivered()
            except StrongroomError as error:
                errors[service] = error
        return errors

    def _deliver(
        self, host: AgentHost, step: Step, restarted: Collection[str], missing: Collection[str]
    ) -> DeliveryResult:
        errors: dict[str, StrongroomError] = {}
        waiting: dict[str, Callable[[], bool]] = {}
        is_running = host.status().running
        if not is_running:
            # A new supervisor starts every agent whose file is there.
            for other in self._others:
                other.remove()
        for service, agent in self._agents.items():
            try:
                if host.needs_values:
                    _require_values(agent, missing)
                # A new supervisor starts all, and must not be taken for the earlier one's result.
                is_forced = service in restarted or not is_running
                if generation := agent.write_files(is_forced=is_forced):
                    agent.check_values(missing)
                    waiting[service] = partial(agent.is_delivered, generation)
            except StrongroomError as error:
                errors[service] = error
        host.start()
        delivered = []
        for service, is_delivered in waiting.items():
            try:
                with step(f"config of {service} delivered"):
                    host.wait_until(is_delivered, self._seconds)
            except StrongroomError as error:
                errors[service] = error
            else:
                delivered.append(service)
        return DeliveryResult(not is_running, tuple(delivered), errors)

    @property
    def _seconds(self) -> float:
        return DELIVERY_SECONDS + FURTHER_SECONDS * (len(self._agents) - 1)


def _require_values(agent: LocalAgent, missing: Collection[str]) -> None:
    """Check that each secret in the agent's template has a value; otherwise do not start it."""
    try:
        agent.check_values(missing)
    except StrongroomError:
        agent.remove()
        raise
