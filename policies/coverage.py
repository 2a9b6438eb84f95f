"""Paths that a team's own policy grants, compared with those that the declaration needs.

Only paths and capabilities are compared: not the parameters of a request, and a template of an
identity stands for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from app_integration.mounts import Mounts
from app_integration.names import Scope
from vault.reconcile.hcl.policy_rules import DENY, PolicyRules, Rule

#: A service that no declaration has.
_OTHER: Final = "another-service"
#: A segment that is a plus sign, or a template of an identity.
_SPECIAL: Final = re.compile(r"((?<![^/])\+(?![^/])|\{\{.*?\}\})")


def find_missing(own: PolicyRules, needed: PolicyRules) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each path of *needed* with its capabilities that *own* does not grant."""
    for rule in sorted(needed, key=lambda each: each.path):
        missing = rule.capabilities - _granted(own, rule.path)
        if missing:
            yield rule.path, missing


def find_reaching(own: PolicyRules, needed: PolicyRules, scope: Scope, mounts: Mounts) -> list[str]:
    """Return each path with a wildcard in *own* that covers what another service would have."""
    probes = {rule.path.replace(f"/{scope.service}", f"/{_OTHER}", 1) for rule in needed}
    other = Scope(_OTHER, scope.environment)
    probes |= {
        f"{mounts.kv}/data/{other.secret('x')}",
        f"{mounts.transit}/decrypt/{other.key('x')}",
        f"{mounts.database}/creds/{other}",
    }
    probes -= {rule.path for rule in needed}
    return sorted(
        {
            rule.path
            for rule in own
            if rule.capabilities - {DENY}
            and _is_wildcard(rule)
            and any(map(_pattern(rule.path).fullmatch, probes))
        }
    )


def _granted(rules: PolicyRules, path: str) -> frozenset[str]:
    """Return the capabilities on *path*. Of several patterns each counts, not the closest one."""
    exact = [rule for rule in rules if rule.path == path]
    found = exact or [rule for rule in rules if _pattern(rule.path).fullmatch(path)]
    granted = frozenset[str]().union(*(rule.capabilities for rule in found))
    return frozenset() if exact and DENY in granted else granted


def _is_wildcard(rule: Rule) -> bool:
    return "{{" not in rule.path and (rule.path.endswith("*") or bool(_SPECIAL.search(rule.path)))


@lru_cache(4096)
def _pattern(path: str) -> re.Pattern[str]:
    """Return the pattern of the paths that a rule for *path* is about."""
    parts = _SPECIAL.split(path.removesuffix("*"))
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = ("[^/]*" if part == "+" else ".*" for part in parts[1::2])
    return re.compile("".join([*parts, ".*" if path.endswith("*") else ""]))
