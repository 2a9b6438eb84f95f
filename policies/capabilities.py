"""Capabilities that a policy grants, and the tests of it that do not hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from app_integration.errors import ConfigurationError, UnexpectedAnswer
from app_integration.mounts import Mounts
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport import payloads
from policies.acl.policy import read_policy
from policies.acl.policy_set import make_acl
from vault.declare.policy_files import TestRow
from vault.reconcile.resources import read_data

#: Seconds until the token expires, if it cannot be revoked.
_TOKEN_TTL: Final = 60
#: Paths of one request. The server refuses a request with more than about 1000 JSON strings.
_BATCH: Final = 400


def read_capabilities(
    session: Session, policy: str, paths: Sequence[str]
) -> dict[str, frozenset[str]]:
    """Return the capabilities on each of *paths* that a token with *policy* alone has.

    The token is a child of the session's, is used for nothing, and is revoked. Without such a
    policy every ``deny`` would hold, so that this is a ConfigurationError.
    """
    if read_data(session, f"sys/policies/acl/{policy}") is None:
        raise ConfigurationError(f"the server has no policy {policy}; apply the declaration first")
    # Not renewable and without a retry: a second token would not be revoked.
    body = {
        "policies": [policy],
        "no_default_policy": True,
        "renewable": False,
        "ttl": f"{_TOKEN_TTL}s",
        "explicit_max_ttl": f"{_TOKEN_TTL}s",
    }
    response = session.post("auth/token/create", body, retry=False)
    token = payloads.parse_auth(response, "POST auth/token/create")
    try:
        found: dict[str, frozenset[str]] = {}
        for start in range(0, len(paths), _BATCH):
            found |= _request(session, token.client_token, paths[start : start + _BATCH])
        return found
    finally:
        session.post("auth/token/revoke-accessor", {"accessor": token.accessor})


def _request(session: Session, token: Secret, paths: Sequence[str]) -> dict[str, frozenset[str]]:
    body = {"token": token.reveal(), "paths": list(paths)}
    data = session.post("sys/capabilities", body).get("data")
    if not isinstance(data, dict) or not all(isinstance(data.get(path), list) for path in paths):
        # Otherwise a path without an answer would pass for one that is denied.
        raise UnexpectedAnswer(
            "POST sys/capabilities: the response lacks one of the paths; check proxies"
        )
    return {path: frozenset(data[path]) for path in paths}


def decide_capabilities(policy: str, text: str, paths: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the capabilities on each of *paths* that *text* as the *policy* alone would grant."""
    acl = make_acl(read_policy(policy, text))
    return {path: frozenset(acl.capabilities(path)) for path in paths}


def find_failures(
    rows: Iterable[TestRow],
    environment: Environment,
    mounts: Mounts,
    granted: Mapping[str, frozenset[str]],
) -> list[str]:
    """Return a line for each of *rows* that does not hold, with its place."""
    failures = []
    for row in rows:
        path = row.test.path_in(environment, mounts)
        is_allowed = bool(granted[path] & {row.test.capability, "root"})
        if is_allowed != (row.test.expect == "allow"):
            says = ", ".join(sorted(granted[path])) or "nothing"
            failures.append(
                f"{row.file}:{row.line}: {row.test.capability} on {path} in {environment}: "
                f"expected {row.test.expect}, granted: {says}"
            )
    return failures
