"""Part of a plan that a credential may read, when it may not read all that a plan compares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app_integration.errors import AccessDenied
from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.planning.owners import check_owners
from vault.reconcile.planning.plan import Plan, make_plan, read_state
from vault.reconcile.planning.snapshot import Snapshot
from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.ownership import owner_of

#: Stands for the fields of a resource that must not be read; compared by identity.
_DENIED: Final[Fields] = {"denied": True}


@dataclass(frozen=True, slots=True)
class PartialPlan:
    """What is known of the changes."""

    plan: Plan
    denied: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A resource that reads as :data:`_DENIED` if it must not be read."""

    resource: Resource

    @property
    def kind(self) -> str:
        return self.resource.kind

    def read(self, reader: ReadSession) -> Fields | None:
        try:
            return self.resource.read(reader)
        except AccessDenied:
            return _DENIED


class _Permitted:
    """A reader that sends no request which a policy denies.

    A denial would be one in the server's audit log, too, where many of them are an alarm.
    """

    def __init__(self, reader: ReadSession, policy: str) -> None:
        self._reader = reader
        self._rules = [
            (_path_expression(each.path), each.capabilities) for each in parse_rules(policy)
        ]

    def get(self, path: str) -> dict[str, Any]:
        self._check(path, "read")
        return self._reader.get(path)

    def list(self, path: str) -> list[str]:
        self._check(f"{path}/", "list")
        return self._reader.list(path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._check(path, "update")
        return self._reader.post(path, body)

    def _check(self, path: str, capability: str) -> None:
        paths = {path, path.rstrip("/")}
        if not any(
            capability in capabilities and any(map(expression.fullmatch, paths))
            for expression, capabilities in self._rules
        ):
            raise AccessDenied(
                f"{path}: the policy does not grant {capability!r}; have its owner add that"
            )


def _path_expression(path: str) -> re.Pattern[str]:
    """Return an expression of the paths that a rule is about."""
    exact = path.removesuffix("*")
    segments = "/".join("[^/]+" if each == "+" else re.escape(each) for each in exact.split("/"))
    return re.compile(segments + (".*" if exact != path else ""))


def build_partial_plan(
    reader: ReadSession, resources: Sequence[Resource], policy: str | None = None
) -> PartialPlan:
    """Return the plan of those of *resources* that *reader* may read.

    Such a plan is for people only: it has no digest, and must not be applied. What the reader's
    *policy* does not grant is not requested; None if it may read everything.
    """
    snapshot = Snapshot(reader if policy is None else _Permitted(reader, policy))
    found = read_state(snapshot, [_Attempt(each) for each in resources])
    pairs = list(zip(resources, found, strict=True))
    known = [(each, fields) for each, fields in pairs if fields is not _DENIED]
    readable, actual = [each for each, _ in known], [fields for _, fields in known]
    check_owners(snapshot, owner_of(readable), readable, actual)
    denied = tuple(each for each, fields in pairs if fields is _DENIED)
    return PartialPlan(make_plan(readable, actual), denied)
