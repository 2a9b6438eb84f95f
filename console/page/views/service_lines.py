"""Services of an environment, with what is known of their agents without a login to a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app_integration.names import Scope
from console.config_state import ConfigState
from console.page.sources.cached_source import Reading
from console.page.sources.local_state import LocalState
from console.page.urls import build_url
from console.page.views.badge import BAD, GOOD, PLAIN, UNKNOWN, WARN, Badge
from console.page.views.due import Due
from console.page.views.readings import Readings
from vault.declare.declaration import Declaration
from vault.rotation.ledger.ledger import Row
from vault.runtime.processes.agent import AGENT


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service of an environment.

    Attributes:
        href: Address of its values.
        values: Number of its values, a dash if that is not known; so are the next two.
        agent: What is known of its agent.
        config: State of its config, None if it has none or that is known on its host only.
        config_since: Since when the config is in use, None if that is not known.

    """

    name: str
    owner: str
    href: str
    values: int | str
    overdue: int | str
    soon: int | str
    agent: Badge
    agent_seen: datetime | None
    config: Badge | None
    config_since: datetime | None


def build_service_lines(
    name: str, readings: Readings, rows: Sequence[tuple[Row, Due]]
) -> tuple[ServiceLine, ...]:
    """Return a line for each service of an environment, none if the declaration was not read.

    Args:
        name: Name of the environment.
        readings: What was read of it.
        rows: Rows of its ledger, with when each is due.

    """
    declaration = readings.declaration.value
    if declaration is None:
        return ()
    return tuple(_service(scope, declaration, readings, rows) for scope in declaration.scopes(name))


def _service(
    scope: Scope, declaration: Declaration, readings: Readings, rows: Sequence[tuple[Row, Due]]
) -> ServiceLine:
    own = [due for row, due in rows if row.item.service == scope.service]
    is_known = readings.ledger.value is not None
    configs = readings.local.value.configs if readings.local and readings.local.value else {}
    config = configs.get(scope.service)
    logins = readings.audit.value.logins if readings.audit.value else {}
    roles = (*declaration.roles(scope), scope.starter)
    seen = max((time for role in roles if (time := logins.get(role))), default=None)
    return ServiceLine(
        scope.service,
        declaration.service(scope.service).owner,
        build_url("/values", env=scope.environment, service=scope.service),
        len(own) if is_known else UNKNOWN,
        own.count(Due.OVERDUE) if is_known else UNKNOWN,
        own.count(Due.SOON) if is_known else UNKNOWN,
        _agent(readings.local, config, seen),
        seen,
        None if config is None else _config(config),
        None if config is None else config.since,
    )


def _agent(
    local: Reading[LocalState] | None, config: ConfigState | None, seen: datetime | None
) -> Badge:
    """Return what is known of an agent without a login to its host."""
    parts = local.value.parts if local and local.value else ()
    states = [part.running for part in parts if part.name == AGENT]
    if states:
        if config is None:
            return Badge("none, without a config", PLAIN)
        runs = all(states) and config.problem is None
        return Badge("runs", GOOD) if runs else Badge("does not run", BAD)
    return Badge("no login in the log", PLAIN) if seen is None else Badge("logged in", PLAIN)


def _config(config: ConfigState) -> Badge:
    if config.problem is not None:
        return Badge(config.problem, BAD)
    if config.last is None:
        return Badge("not delivered yet", WARN)
    return Badge(config.last.state.value, GOOD if config.last.state.is_live else WARN)
