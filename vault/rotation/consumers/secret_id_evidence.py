"""Decision whether the consumers of older secret-ids have moved, by tokens and logins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vault.rotation.consumers.evidence_type import (
    Consumer,
    Evidence,
    Proof,
    describe_time,
    merge_tokens,
)
from vault.rotation.consumers.login_log import LoginLog
from vault.rotation.issued_secret_ids import Issued
from vault.rotation.response_log import describe_skipped

_AGENTS: Final = (
    "agents log in with secret-ids of their own; {count} of their tokens are not affected"
)
_UNNAMED: Final = (
    "a token without the name of its secret-id may be an agent's, or from before secret-ids had "
    "names; restart its process, so that it logs in again"
)


@dataclass(frozen=True, slots=True)
class Generation:
    """The new secret-id of a role, and which others it replaces."""

    role: str
    new: Issued
    newer: frozenset[str]

    @classmethod
    def of(cls, role: str, new: Issued, secret_ids: Iterable[Issued]) -> Generation:
        """Return the generation of *new* among the role's secret-ids."""
        newer = {each.name for each in secret_ids if each.name and each.created > new.created}
        return cls(role, new, frozenset(newer))

    def find_old(self, secret_ids: Iterable[Issued]) -> list[Issued]:
        """Return the older secret-ids of the same host, or of none. An agent's is none of them."""
        return [
            each
            for each in secret_ids
            if each.created < self.new.created
            and not each.is_of_agent
            and each.name != self.new.name
            and self._is_same_host(each)
        ]

    def find_old_tokens(self, tokens: Iterable[Issued]) -> list[Issued]:
        """Return the tokens of older secret-ids. Of one without a name, that is not certain."""
        others = {self.new.name, *self.newer}
        return [
            each
            for each in tokens
            if not each.is_of_agent and each.name not in others and self._is_same_host(each)
        ]

    def _is_same_host(self, each: Issued) -> bool:
        return each.host in {None, self.new.host}


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of the consumers of a role's secret-ids."""

    tokens: Sequence[Issued]
    is_used: bool
    log: LoginLog | None
    promoted: datetime


def evidence_by_tokens(generation: Generation, seen: Observation, now: datetime) -> Evidence:
    """Return which tokens came from the new secret-id, and which from older ones.

    A role whose tokens are short-lived may have none. So the old secret-ids are needed until a
    login with the new one is seen, unless its file is the one that the role's process reads.
    """
    new = str(generation.new.name)
    moved = [each for each in seen.tokens if each.name == new]
    old = generation.find_old_tokens(seen.tokens)
    waiting = list(merge_tokens([_consumer(generation.role, each, now) for each in old]))
    notes = list(_notes(seen, old))
    has_login = seen.log is not None and seen.log.has_login(generation.role, new, seen.promoted)
    if not (moved or has_login or seen.is_used):
        detail = "no login with the new secret-id yet; replace the file of its process"
        waiting.append(Consumer(generation.role, detail))
    return Evidence(
        Proof.TOKENS,
        moved=merge_tokens([_consumer(generation.role, each, now) for each in moved]),
        waiting=tuple(waiting),
        notes=tuple(notes),
    )


def evidence_of_compromise(
    generation: Generation,
    seen: Observation,
    ended: Mapping[str, Collection[Issued]],
    now: datetime,
) -> Evidence:
    """Return which tokens were revoked, and who had logged in with the older secret-ids."""
    logins = list(_logins(generation, seen.log))
    if seen.log is None or seen.log.first is None:
        logins = ["no audit log was read, so that the logins with the old secret-ids are unknown"]
    else:
        first = describe_time(seen.log.first)
        skipped = describe_skipped(seen.log.source.files)
        logins = [*logins, f"the log begins at {first}; earlier logins are unknown", *skipped]
    moved = [each for each in seen.tokens if each.name == generation.new.name]
    return Evidence(
        Proof.TOKENS,
        moved=merge_tokens([_consumer(generation.role, each, now) for each in moved]),
        ended=merge_tokens(
            [_consumer(role, each, None) for role, tokens in ended.items() for each in tokens]
        ),
        notes=(*logins, "the role's old secret-ids were destroyed, and their tokens revoked"),
    )


def _logins(generation: Generation, log: LoginLog | None) -> Iterator[str]:
    others = {generation.new.name, *generation.newer}
    for client, (first, last) in sorted((log.times if log is not None else {}).items()):
        is_of_host = client.host in {"", generation.new.host}
        if client.role != generation.role or client.name in others or not is_of_host:
            continue
        host = f" on {client.host}" if client.host else ""
        name = f"secret-id {client.name}" if client.name else "a secret-id without a name"
        address = client.address or "an unknown address"
        times = f"{describe_time(first)} to {describe_time(last)}"
        yield f"logged in: {generation.role}{host} from {address} with {name}, {times}"


def _notes(seen: Observation, old: Iterable[Issued]) -> Iterator[str]:
    if agents := sum(each.is_of_agent for each in seen.tokens):
        yield _AGENTS.format(count=agents)
    if seen.log is not None:
        yield from describe_skipped(seen.log.source.files)
    if any(each.name is None for each in old):
        yield _UNNAMED
    if seen.is_used:
        yield "the new secret-id is in the file that the role's processes on this machine read"


def _consumer(role: str, token: Issued, now: datetime | None) -> Consumer:
    """Return a consumer for *token*, with its remaining time if *now* is not None."""
    identity = f"{role} on {token.host}" if token.host else role
    name = f"secret-id {token.name}" if token.name else "a secret-id without a name"
    detail = f"token issued at {describe_time(token.created)} with {name}"
    if token.expires is not None and now is not None:
        left = max(token.expires - now, timedelta())
        detail += f"; ends in {int(left.total_seconds())} s if it is not renewed"
    return Consumer(identity, detail)
