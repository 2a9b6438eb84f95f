"""A session's token on a real server: renewal beyond its first TTL, and replacement by a login."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_integration.auth.methods import AppRole
from app_integration.errors import AuthenticationFailed, RequestRefused
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.polling import wait_until
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

NAME = "short-lived"
ROLE = f"auth/approle/role/{NAME}"
POLICY = f"sys/policies/acl/{NAME}"
LOGIN = "auth/approle/login"
RENEW = "auth/token/renew-self"
TTL = 2  # seconds
#: Seconds. Longer than TTL, because the test fails if the machine stalls for three fifths of it.
PERIOD = 5
PATIENCE = 20.0  # seconds


@pytest.fixture
def operator(deployment: Deployment) -> Iterator[Session]:
    rule = 'path "auth/token/*" { capabilities = ["read", "update"] }'
    deployment.operator.post(POLICY, {"policy": rule})
    yield deployment.operator
    deployment.operator.delete(ROLE)
    deployment.operator.delete(POLICY)


def role(operator: Session, folder: Path, **options: Any) -> AppRole:
    """Create an AppRole with its credential in *folder*; *options* are those of its API."""
    operator.post(ROLE, {"token_policies": [NAME], **options})
    role_id = operator.get(f"{ROLE}/role-id")["data"]["role_id"]
    secret_id = operator.post(f"{ROLE}/secret-id", retry=False)["data"]["secret_id"]
    (folder / "role-id").write_text(role_id)
    (folder / "secret-id").write_text(secret_id)
    return AppRole(folder / "role-id", folder / "secret-id")


def accessor(session: Session) -> str:
    return str(session.get("auth/token/lookup-self")["data"]["accessor"])


def test_periodic_token_is_renewed_beyond_first_ttl(
    deployment: Deployment, operator: Session, tmp_path: Path
) -> None:
    login = role(operator, tmp_path, token_period=PERIOD)
    logins, renewals = (len(deployment.audit_lines(path, NAME)) for path in (LOGIN, RENEW))
    with Session(deployment.variables["VAULT_ADDR"], login, limits=Limits(renew_at=0.4)) as session:
        first, begun = accessor(session), time.monotonic()
        wait_until(
            lambda: len(deployment.audit_lines(RENEW, NAME)) >= renewals + 4,
            "four renewals, each at four tenths of its life",
        )
        assert time.monotonic() - begun > PERIOD
        assert accessor(session) == first
    assert len(deployment.audit_lines(LOGIN, NAME)) == logins + 1


def test_token_at_max_ttl_is_replaced_by_one_login(
    deployment: Deployment, operator: Session, tmp_path: Path
) -> None:
    login = role(operator, tmp_path, token_ttl=TTL, token_max_ttl=TTL)
    logins, renewals = (len(deployment.audit_lines(path, NAME)) for path in (LOGIN, RENEW))
    with Session(deployment.variables["VAULT_ADDR"], login) as session:
        begun = time.monotonic()
        seen = {accessor(session)}

        def three_lives() -> bool:
            seen.add(accessor(session))
            return len(seen) >= 3

        wait_until(three_lives, "a third token")
        lives = (time.monotonic() - begun) / (TTL / 2)
    assert len(deployment.audit_lines(LOGIN, NAME)) - logins <= lives + 2
    assert len(deployment.audit_lines(RENEW, NAME)) - renewals <= lives + 2


def test_used_up_secret_id_error_says_what_to_do(
    deployment: Deployment, operator: Session, tmp_path: Path
) -> None:
    login = role(operator, tmp_path, secret_id_num_uses=1, token_ttl=60)
    address = deployment.variables["VAULT_ADDR"]
    with Session(address, login) as first:
        assert accessor(first)
    with (
        Session(address, login) as second,
        pytest.raises(AuthenticationFailed, match="issue a new secret-id") as caught,
    ):
        accessor(second)
    assert login.secret_id_file.read_text() not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_session_closed_during_renewal_leaves_no_token(
    deployment: Deployment, operator: Session, tmp_path: Path
) -> None:
    login = role(operator, tmp_path, token_period=TTL)
    session = Session(deployment.variables["VAULT_ADDR"], login, limits=Limits(renew_at=0.01))
    found = accessor(session)
    renewals = len(deployment.audit_lines(RENEW, NAME))
    wait_until(
        lambda: len(deployment.audit_lines(RENEW, NAME)) > renewals + 4,
        "renewals in quick succession",
    )
    renewer = session._renewer.worker._thread  # before the close, which replaces it
    session.close()
    with pytest.raises(RequestRefused, match="invalid accessor"):
        operator.post("auth/token/lookup-accessor", {"accessor": found})
    assert renewer is not None
    renewer.join(PATIENCE)
    assert not renewer.is_alive()
