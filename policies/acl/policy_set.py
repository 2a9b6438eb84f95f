"""Policies of a server, from which the ACL of a token is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from policies.acl.acl import Acl
from policies.acl.default_policy import DEFAULT_POLICY
from policies.acl.grant import Grant, Origin
from policies.acl.identity import ForbiddenText, Identity
from policies.acl.policy import ROOT, Policy

_NANOSECONDS = 10**9


class PolicySet:
    """Policies by name, with those that every server has: ``root``, and ``default``."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        """Take *policies*; of several with one name and namespace, the last one."""
        self._policies = {DEFAULT_POLICY.name: DEFAULT_POLICY}
        self._policies |= {each.namespace + each.name: each for each in policies}

    def replace(self, policy: Policy) -> PolicySet:
        """Return a set in which *policy* is new, or has replaced the one of its name."""
        return PolicySet((*self._policies.values(), policy))

    def origins(self) -> Iterator[Origin]:
        """Yield each rule of each policy, with the policy, its file and the line."""
        for policy in self._policies.values():
            yield from policy.origins

    def acl(
        self, names: Iterable[str], identity: Identity | None = None, now: datetime | None = None
    ) -> Acl:
        """Return what a token may do that has the policies *names*.

        Args:
            names: The names, each behind its namespace. One that is not there grants nothing.
            identity: The token's entity, if it has one.
            now: When; without it, no rule has expired.

        """
        ordered = sorted({name.lower() for name in names})  # as the server merges them
        policies = [self._policies[name] for name in ordered if name in self._policies]
        try:
            grants = [grant for policy in policies for grant in _grants(policy, identity, now)]
        except ForbiddenText:
            return Acl((), is_refused=True)
        namespaces = {policy.namespace for policy in policies} - {""}
        return Acl(grants, namespaces, is_root=ordered == [ROOT])


def make_acl(policy: Policy) -> Acl:
    """Return what a token may do that has *policy* alone."""
    return PolicySet((policy,)).acl((policy.name,))


def _grants(policy: Policy, identity: Identity | None, now: datetime | None) -> Iterator[Grant]:
    moment = int(now.astimezone(UTC).timestamp() * _NANOSECONDS) if now else 0
    for each in policy.rights(identity):
        if not now or not each.expiration or moment <= each.expiration:
            yield each.grant
