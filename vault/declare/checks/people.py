"""Checks of people, quotas and password policies across the fields of an environment file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vault.declare.checks.service import Data, section
from vault.declare.checks.shared_server import mount_paths
from vault.declare.errors import FieldError, format_value, join_names, suggest

_METHODS: Final = ("jwt", "kubernetes", "cert", "oidc")


def find_errors(data: Data) -> Iterator[FieldError]:
    """Return the errors of people, quotas and password policies in an environment file."""
    if "lockout" in data and not section(data, "people"):
        expected = "it only together with 'people', as only they log in with a password"
        yield FieldError(("lockout",), "has the key 'lockout'", expected, subject=())
    yield from _quotas(data)
    policies = section(data, "password_policies")
    for name in section(data, "services"):
        policy = section(data, "services", name).get("password_policy")
        if isinstance(policy, str) and policy not in policies:
            what, near = (
                f"is the unknown policy {format_value(policy)}",
                suggest(policy, policies),
            )
            loc = ("services", name, "password_policy")
            yield FieldError(loc, what, join_names(policies), near)


def _quotas(data: Data) -> Iterator[FieldError]:
    mounts = mount_paths(data)
    paths = [f"auth/{path}" if key == "approle" else path for key, path in mounts.items()]
    known = [*paths, *(["auth/userpass"] if section(data, "people") else [])]
    known += [f"auth/{method}" for method in _METHODS if method in section(data, "auth")]
    # Allow the login path too, because a quota on the whole mount would limit plans, which read
    # every role of the mount.
    logins = [f"{mount}/login" for mount in known if mount.startswith("auth/")]
    taken: dict[str, str] = {}
    quotas: Mapping[str, Any] = section(data, "quotas")
    for name in quotas:
        path = section(quotas, name).get("path", "")
        loc = ("quotas", name, "path")
        if not isinstance(path, str):
            continue
        if path and path not in (*known, *logins):
            what = f"is {format_value(path)}, which is not mounted"
            yield FieldError(loc, what, join_names(known), suggest(path, known))
        elif path in taken:
            what = f"is also the path of {taken[path]!r}"
            yield FieldError(loc, what, "one quota for each path")
        taken.setdefault(path, name)
