"""What the rotations of one environment share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app_integration.mounts import Mounts
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import JOBS
from vault.reconcile.resources.ownership import Owner
from vault.rotation.consumers.consumer_log import ConsumerLog
from vault.rotation.consumers.login_log import LoginLog
from vault.rotation.consumers.version_metrics import VersionMetrics
from vault.rotation.handover import NO_HANDOVER, Handover
from vault.rotation.hooks import Commands, HookRunner
from vault.rotation.inventory import Item
from vault.rotation.pending import PendingValue
from vault.rotation.record import RecordStore


@dataclass(frozen=True, slots=True)
class RotationContext:
    """Declaration, session and surroundings of the rotations of one environment.

    With *is_retired*, the operator has confirmed that a lost value is revoked. With *lists_tokens*,
    the session may look up all tokens: one of a namespace does not see those of the namespace above
    it, which may read there.
    """

    declaration: Declaration
    environment: Environment
    session: Session
    folder: Path
    environ: Mapping[str, str]
    read_log: Callable[[Collection[str]], ConsumerLog | None]
    clock: Callable[[], datetime]
    generate: Callable[[int, str], Secret]
    read_metrics: Callable[[Collection[str], timedelta], VersionMetrics | None] = lambda *_: None
    handover: Handover = NO_HANDOVER
    read_logins: Callable[[], LoginLog | None] = lambda: None
    is_retired: bool = False
    lists_tokens: bool = False

    @property
    def declared(self) -> EnvironmentDeclaration:
        """Return the environment's file."""
        return self.declaration.environment(self.environment)

    @property
    def mounts(self) -> Mounts:
        """Return the mounts of the deployment."""
        return self.declared.mounts

    @property
    def operators(self) -> frozenset[str]:
        """Return the roles whose tokens are no consumers."""
        return frozenset(map(self.declared.server_name, JOBS))

    @property
    def owner(self) -> Owner:
        """Return the deployment of the environment."""
        return Owner.of(self.declared)

    def store(self, item: Item) -> RecordStore:
        """Return the place of the record of *item*."""
        return RecordStore(self.session, self.owner, item)

    def pending(self, item: Item) -> PendingValue:
        """Return the place of a new value of *item* before its promotion."""
        return self.store(item).pending(self.session)

    def runner(self, item: Item, commands: Commands) -> HookRunner:
        """Return the runner of the hooks of *item*, which are *commands*."""
        names = {
            "STRONGROOM_SERVICE": item.service or "",
            "ENVIRONMENT": self.environment.value,
            "STRONGROOM_NAME": item.name,
        }
        owner = self.declaration.service(item.service or "").owner
        return HookRunner(self.folder, self.environ, names, commands, owner, self.is_retired)
