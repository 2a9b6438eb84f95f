"""Variables that name an environment which does not exist, with the login of another one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app_integration import (
    database_engine,
    default_client,
    encrypt_field,
    get_secret,
    require,
)
from app_integration._internal.private_file import write_private
from app_integration.errors import AccessDenied, SecretsMissing
from app_integration.settings import from_environment
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

OTHER = (
    "this login is that of gaara-store-dev, but the variables name gaara-store-local: set "
    r"STRONGROOM_ENVIRONMENT \(or ENVIRONMENT\) to the environment of the login"
)


@pytest.fixture
def variables(deployment: Deployment) -> dict[str, str]:
    """Return the variables of a process whose ``ENVIRONMENT`` has a meaning of its own."""
    return {**deployment.variables, "ENVIRONMENT": "local", "STRONGROOM_AUDIT_FILE": ""}


@pytest.fixture
def application(variables: dict[str, str]) -> Iterator[None]:
    default_client.configure(from_environment(variables))
    yield
    default_client.close()


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize(
    "call",
    [
        lambda: get_secret("jwt-secret"),
        lambda: encrypt_field("ada", context={"customer": 7}),
        lambda: database_engine(url="postgresql://127.0.0.1/shop").connect(),
        database_engine,
    ],
    ids=["secret", "key", "user", "address"],
)
def test_denied_call_names_the_environment_of_the_login(call: Callable[[], object]) -> None:
    with pytest.raises(AccessDenied, match=OTHER) as caught:
        call()
    assert str(caught.value).count("this login is that of") == 1


@pytest.mark.usefixtures("application")
def test_required_secrets_name_it_once() -> None:
    with pytest.raises(SecretsMissing, match=OTHER) as caught:
        require(["jwt-secret", "smtp-password"])
    assert str(caught.value).count("this login is that of") == 1
    with pytest.raises(AccessDenied, match=OTHER):  # from the negative cache
        get_secret("jwt-secret")


def check(variables: dict[str, str]) -> tuple[int, str]:
    """Return exit code and output of the host's command."""
    command = [sys.executable, "-m", "app_integration", "check", "jwt-secret"]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_check_fails_at_the_login(variables: dict[str, str]) -> None:
    code, printed = check(variables)
    assert code == 2
    assert printed.endswith(
        "FAILED login: this login is that of gaara-store-dev, but the variables name "
        "gaara-store-local\n       to do: set STRONGROOM_ENVIRONMENT (or ENVIRONMENT) to the "
        "environment of the login, or log in as gaara-store-local\n"
    )
    code, printed = check({**variables, "STRONGROOM_ENVIRONMENT": "dev"})
    assert (code, "FAILED" in printed) == (0, False)


def test_check_looks_up_a_token_of_others(
    deployment: Deployment, variables: dict[str, str], tmp_path: Path
) -> None:
    created = deployment.operator.post("auth/token/create", {"policies": ["gaara-store-dev"]})
    write_private(tmp_path / "token", created["auth"]["client_token"])
    by_token = {"STRONGROOM_AUTH": "token", "STRONGROOM_TOKEN_FILE": str(tmp_path / "token")}
    code, printed = check({**variables, **by_token})
    assert code == 2
    assert "FAILED login: this login is that of gaara-store-dev, but" in printed


def test_check_tells_of_a_login_that_may_be_that_of_another_service(
    deployment: Deployment, variables: dict[str, str], tmp_path: Path
) -> None:
    policies = {"policies": ["gaara-store-admin-dev"]}
    created = deployment.operator.post("auth/token/create", policies)
    write_private(tmp_path / "token", created["auth"]["client_token"])
    by_token = {"STRONGROOM_AUTH": "token", "STRONGROOM_TOKEN_FILE": str(tmp_path / "token")}
    _, printed = check({**variables, **by_token})
    assert "FAILED login" not in printed
    assert "login: by token; if a request is denied: this login is that of gaara-store" in printed
