"""Tests that two declared things never get the same name in Vault or PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app_integration.names import Environment, Scope
from vault.declare.schema.field_types import PartName, ServiceName
from vault.reconcile.desired.desired import JOBS
from vault.reconcile.resources.write_only import FINGERPRINT_KEY

#: Words that a derived name is composed of, or that names of this project begin with.
_WORDS = ("a", "b", "dev", "prod", "staging", "starter", "manager", "owner", "app", "strongroom")
_JOBS = tuple(job.removeprefix("strongroom-") for job in JOBS)
_NAMES = st.lists(
    st.sampled_from((*_WORDS, *_JOBS, "fingerprint", "pii")), min_size=1, max_size=4
).map("-".join)


ENVIRONMENTS = (Environment.DEV, Environment.STAGING, Environment.PROD)


def accepted(kind: Any, name: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(name)
    except ValidationError:
        return False
    return True


def names_on_servers(services: Sequence[str], parts: Sequence[str]) -> Mapping[str, list[str]]:
    """Return each namespace of a server with every name that apply or the runtime creates in it."""
    scopes = [Scope(service, each) for service in services for each in ENVIRONMENTS]
    users = [Scope(service, Environment.DEV) for service in services]
    return {
        "policies and AppRoles": [
            *JOBS,
            "developer",
            "default",
            *(str(scope) for scope in scopes),
            *(scope.starter for scope in scopes),
        ],
        "Transit keys": [FINGERPRINT_KEY, *(each.key(part) for each in scopes for part in parts)],
        "database roles": [
            *(scope.database_role() for scope in scopes),
            *(scope.database_role(part) for scope in scopes for part in parts),
        ],
        "static roles": [scope.static_role(part) for scope in scopes for part in parts],
        "database users": [
            "postgres",
            *(scope.manager_role for scope in users),
            *(scope.owner_role for scope in users),
            *(f"{scope.service.replace('-', '_')}_app" for scope in users),
        ],
    }


@given(st.sets(_NAMES, min_size=1, max_size=12), st.sets(_NAMES, min_size=1, max_size=4))
def test_derived_names_are_unique(services: set[str], parts: set[str]) -> None:
    declared = sorted(name for name in services if accepted(ServiceName, name))
    named = sorted(part for part in parts if accepted(PartName, part))
    for namespace, names in names_on_servers(declared, named).items():
        twice = [name for name, count in Counter(names).items() if count > 1]
        assert not twice, f"{namespace}: {twice} of {declared} and {named}"
