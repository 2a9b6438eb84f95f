"""Rotation of the secret-ids of an AppRole."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from app_integration.errors import AccessDenied, ConfigurationError, StrongroomError
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.credentials import issue_credential, secret_id_body
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.consumers.login_log import LoginLog
from vault.rotation.consumers.secret_id_evidence import (
    Generation,
    Observation,
    evidence_by_tokens,
    evidence_of_compromise,
)
from vault.rotation.context import RotationContext
from vault.rotation.credential_folder import put_back, remove_previous, write_credential
from vault.rotation.handover import Handover
from vault.rotation.inventory import Item
from vault.rotation.issued_secret_ids import AppRoleCredentials, Issued
from vault.rotation.pending import PendingValue
from vault.rotation.record import Record
from vault.rotation.rotation import OwnedElsewhere

log = logging.getLogger(__name__)

_LOST: Final = "the new secret-id does not exist any more; another one replaces it and the old ones"


@dataclass(frozen=True, slots=True)
class SecretIdRotation:
    """The steps for the secret-ids of one AppRole.

    *ttl* is in seconds; None for the role's. *agents* is the role whose agents this starter starts;
    None for other roles.
    """

    item: Item
    session: Session
    credentials: AppRoleCredentials
    pending: PendingValue
    handover: Handover
    context: RotationContext
    ttl: int | None
    agents: AppRoleCredentials | None

    def start(self, record: Record) -> Record:
        """Return the record with the accessor of the newest secret-id."""
        self._require_folder()
        found = [each for each in self.credentials.secret_ids() if not each.is_of_agent]
        if not found:
            raise ConfigurationError(
                f"{self.item.name} has no secret-id; issue its first one with strongroom bootstrap "
                "or strongroom issue-secret-id"
            )
        self._choose_host(found)
        try:
            self._read_role_id()
        except AccessDenied:
            raise OwnedElsewhere(
                f"the role of this session may not issue a secret-id of {self.item.name}, with "
                "which it could do more than it may; log in with the credential of "
                f"{self.item.name} itself"
            ) from None
        return replace(record, old=found[-1].accessor)

    def create(self, record: Record) -> Record:
        """Issue the new secret-id, unless it is wrapped: that is issued when it is handed over."""
        if self.handover.wrap_ttl is None and self.pending.read(record.id) is None:
            self._issue(record)
        return record

    def set(self, record: Record) -> Record:
        """Do nothing, because the server accepts a secret-id beside the others."""
        return record

    def test(self, record: Record) -> Record:
        """Log in with the new secret-id, and revoke the token. A wrapped one cannot be tested."""
        value = self.pending.read(record.id)
        if value is None:
            return record
        # A token of a killed test would look like a consumer that has moved.
        self.credentials.revoke(self._tokens_of(record))
        body = {"role_id": self._read_role_id(), "secret_id": value.reveal()}
        token = self.session.post(f"{self.credentials.auth}/login", body, retry=False)["auth"]
        self.session.post("auth/token/revoke-accessor", {"accessor": token["accessor"]})
        # So that this login is earlier than the value by the server's clock, and is no consumer's.
        self.pending.write(record.id, value)
        return record

    def promote(self, record: Record) -> Record:
        """Write the new secret-id to its folder."""
        folder = self._require_folder()
        if self.handover.wrap_ttl is not None:
            self._hand_over_wrapped(record, folder)
        else:
            value = self.pending.read(record.id) or self._issue(record)
            write_credential(folder, self._read_role_id(), value)
        new = self._require_new(record, self.credentials.secret_ids())
        return replace(record, new=new.accessor)

    def find_consumers(self, record: Record) -> Evidence:
        """Return which tokens came from older secret-ids. If these are compromised, revoke both."""
        secret_ids = self.credentials.secret_ids()
        if self._is_lost(record, secret_ids):
            return Evidence(Proof.NONE, notes=(_LOST,))
        generation = self._find_generation(record, secret_ids)
        if record.is_compromised:
            self.credentials.destroy(generation.find_old(secret_ids))
        tokens = self.credentials.tokens()
        old = generation.find_old_tokens(tokens)
        ended = {self.item.server_name: old}
        if record.is_compromised:
            self.credentials.revoke(old)
            ended |= self._revoke_agents()
        now = self.context.clock()
        seen = Observation(
            tokens,
            self.handover.is_used(self.item.server_name),
            self._read_logins(is_optional=record.is_compromised),
            self.pending.written(now) or record.promoted or now,
        )
        if record.is_compromised:
            return evidence_of_compromise(generation, seen, ended, now)
        return evidence_by_tokens(generation, seen, now)

    def retire(self, record: Record) -> Record:
        """Destroy the older secret-ids, and revoke the tokens that came from them.

        A token without a name, which may be an agent's, is revoked only after a compromise.
        """
        secret_ids = self.credentials.secret_ids()
        if self._is_lost(record, secret_ids):
            return record
        generation = self._find_generation(record, secret_ids)
        self.credentials.destroy(generation.find_old(secret_ids))
        old = generation.find_old_tokens(self.credentials.tokens())
        is_certain = record.is_compromised
        self.credentials.revoke(each for each in old if is_certain or each.name is not None)
        if folder := self.handover.folder(self.item.server_name):
            remove_previous(folder)
        self.pending.destroy()
        return record

    def undo(self, record: Record) -> None:
        """Put the old secret-id back where this machine has it, and destroy the new one.

        If no older one exists any more, the new one is left in use.
        """
        secret_ids = self.credentials.secret_ids()
        new = [each for each in secret_ids if each.name == record.id]
        if new and not Generation.of(self.item.name, new[0], secret_ids).find_old(secret_ids):
            log.warning("%s has no older secret-id any more; the new one stays", self.item.name)
        else:
            if folder := self.handover.folder(self.item.server_name):
                put_back(folder, self.pending.read(record.id))
            self.credentials.destroy(new)
            self.credentials.revoke(self._tokens_of(record))
        self.pending.destroy()

    def _revoke_agents(self) -> dict[str, list[Issued]]:
        """Revoke what a starter has issued, because a thief of its secret-id could do that too.

        The supervisor starts each agent again. Return the agents' role, and their tokens.
        """
        if self.agents is None:
            return {}
        self.agents.destroy(each for each in self.agents.secret_ids() if each.is_of_agent)
        tokens = [each for each in self.agents.tokens() if each.is_of_agent]
        self.agents.revoke(tokens)
        return {self.agents.role: tokens}

    def _require_folder(self) -> Path:
        folder = self.handover.folder(self.item.server_name)
        if folder is None:
            raise OwnedElsewhere(
                f"the new secret-id of {self.item.name} must be handed over to its process: pass "
                "--out with a folder for it, outside of the repository"
            )
        return folder

    def _read_role_id(self) -> str:
        found: str = self.session.get(f"{self.credentials.path}/role-id")["data"]["role_id"]
        return found

    def _choose_host(self, secret_ids: Iterable[Issued]) -> str | None:
        """Return the host that the operator names, by default that of the other secret-ids."""
        hosts = sorted({each.host for each in secret_ids if each.host is not None})
        if self.handover.host is None and len(hosts) > 1:
            raise ConfigurationError(
                f"{self.item.name} has secret-ids of {', '.join(hosts)}; rotate each with --host"
            )
        return self.handover.host or next(iter(hosts), None)

    def _issue(self, record: Record) -> Secret:
        body = secret_id_body(record.id, self._replace_lost(record), self.ttl)
        issued = self.session.post(f"{self.credentials.path}/secret-id", body, retry=False)
        value = Secret(issued["data"]["secret_id"])
        self.pending.write(record.id, value)
        return value

    def _replace_lost(self, record: Record) -> str | None:
        """Destroy a secret-id of this rotation whose value was lost; return the host for another.

        See :meth:`_choose_host`.
        """
        others = [each for each in self.credentials.secret_ids() if not each.is_of_agent]
        lost = [each for each in others if each.name == record.id]
        self.credentials.destroy(lost)
        return self._choose_host(each for each in others if each not in lost)

    def _hand_over_wrapped(self, record: Record, folder: Path) -> None:
        if self._tokens_of(record):
            return  # because its receiver has opened it, so that it must stay valid
        host = self._replace_lost(record)
        self.pending.destroy()
        issue_credential(
            self.session,
            self.item.server_name,
            folder,
            self.context.mounts,
            ttl=self.ttl,
            wrap_ttl=self.handover.wrap_ttl,
            name=record.id,
            host=host,
        )

    def _tokens_of(self, record: Record) -> list[Issued]:
        return [each for each in self.credentials.tokens() if each.name == record.id]

    def _find_generation(self, record: Record, secret_ids: list[Issued]) -> Generation:
        new = self._require_new(record, secret_ids)
        return Generation.of(self.item.server_name, new, secret_ids)

    def _is_lost(self, record: Record, secret_ids: list[Issued]) -> bool:
        """Return whether someone destroyed the new secret-id, and another rotation replaces it."""
        return record.is_repeated and all(each.name != record.id for each in secret_ids)

    def _require_new(self, record: Record, secret_ids: list[Issued]) -> Issued:
        for each in secret_ids:
            if each.name == record.id:
                return each
        way = "run it again with --compromised"
        if not record.is_compromised:
            way = "undo the rotation with --undo, and begin it again"
        raise ConfigurationError(
            f"the new secret-id of {self.item.name} does not exist any more; {way}"
        )

    def _read_logins(self, *, is_optional: bool) -> LoginLog | None:
        try:
            return self.context.read_logins()
        except (OSError, StrongroomError) as error:
            if not is_optional:
                raise
            log.warning("the audit log cannot be read: %s", error)
            return None


def build(context: RotationContext, item: Item) -> SecretIdRotation:
    """Return the steps that rotate the secret-ids of the AppRole *item*."""
    scope = Scope(item.service, context.environment) if item.service is not None else None
    is_starter = scope is not None and item.server_name == scope.starter
    credentials = partial(AppRoleCredentials, context.session, auth=context.mounts.auth)
    return SecretIdRotation(
        item=item,
        session=context.session,
        credentials=credentials(role=item.server_name),
        pending=context.pending(item),
        handover=context.handover,
        context=context,
        # That of a service has the TTL of its role.
        ttl=context.declared.tokens.secret_id_ttl if is_starter else None,
        agents=credentials(role=str(scope)) if is_starter else None,
    )
