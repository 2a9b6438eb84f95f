"""Initial password of the database connection: used once, then known to the server only."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from app_integration.names import Environment
from app_integration.secret import Secret
from tests.support.servers.deployment import Deployment
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.write_only import WriteOnly

pytestmark = pytest.mark.requires("embedded")

NAME = "gaara-store-dev"
NOTE = f"secret/metadata/_strongroom/dev/database-connection/{NAME}"
PATH = f"database/config/{NAME}"


def plan(deployment: Deployment, inputs: Inputs | None = None) -> Plan:
    local = deployment.local
    return build_plan(deployment.operator, local.desired(inputs or local.inputs()))


def apply_plan(deployment: Deployment, found: Plan) -> None:
    apply(deployment.operator, found, lambda _: None)


def fields(found: Plan) -> set[str]:
    return {field.field for change in found.changes for field in change.fields}


def rotations(deployment: Deployment) -> int:
    return len(deployment.audit_lines(f"database/rotate-root/{NAME}"))


def password_logs_in(deployment: Deployment) -> bool:
    """Return whether the initial password still logs in to the database."""
    accounts = deployment.local.service("gaara-store").access.require_database()
    try:
        with psycopg.connect(
            host=accounts.superuser.host,
            port=accounts.superuser.port,
            dbname=accounts.roles.database,
            user=accounts.roles.manager,
            password=accounts.password_file("manager").read_text().strip(),
            sslmode="disable",
        ):
            return True
    except psycopg.OperationalError:
        return False


def test_initial_password_does_not_log_in_after_apply(deployment: Deployment) -> None:
    assert rotations(deployment) >= 1
    assert not password_logs_in(deployment)
    assert deployment.operator.get(f"database/creds/{NAME}")["data"]["username"]


def test_restart_neither_rotates_nor_overwrites_the_password(deployment: Deployment) -> None:
    before = rotations(deployment)
    deployment.revive()
    apply_plan(deployment, plan(deployment))
    assert rotations(deployment) == before
    assert deployment.operator.get(f"database/creds/{NAME}")["data"]["username"]


@pytest.mark.parametrize("lost", ["root_password", "password_hmac"])
def test_lost_metadata_is_written_again_without_rotation(deployment: Deployment, lost: str) -> None:
    before = rotations(deployment)
    notes = deployment.operator.get(NOTE)["data"]["custom_metadata"]
    deployment.operator.post(
        NOTE, {"custom_metadata": {key: value for key, value in notes.items() if key != lost}}
    )
    found = plan(deployment)
    assert len(fields(found)) == 1
    apply_plan(deployment, found)
    assert rotations(deployment) == before
    assert deployment.operator.get(NOTE)["data"]["custom_metadata"] == notes


def test_wrong_password_is_rejected_and_the_connection_still_works(deployment: Deployment) -> None:
    before = rotations(deployment)
    inputs = deployment.local.inputs()
    wrong = replace(inputs, values={**inputs.values, PATH: Secret("mistyped-password")})
    found = plan(deployment, wrong)
    assert fields(found) == {"password"}
    with pytest.raises(ApplyFailed) as caught:
        apply_plan(deployment, found)
    assert "mistyped-password" not in str(caught.value)
    assert deployment.operator.get(f"database/creds/{NAME}")["data"]["username"]
    apply_plan(deployment, plan(deployment))
    assert plan(deployment).changes == ()
    assert rotations(deployment) == before


def test_plan_without_password_is_empty(deployment: Deployment) -> None:
    assert plan(deployment, Inputs()).changes == ()


def test_new_userpass_password_is_detected_by_its_fingerprint(deployment: Deployment) -> None:
    path = "auth/userpass/users/developer"
    inputs = deployment.local.inputs()
    changed = replace(inputs, values={**inputs.values, path: Secret("a-new-password-given")})
    found = plan(deployment, changed)
    assert [(each.before, each.after) for each in found.changes[0].fields] == [
        ("different", "as provided")
    ]
    assert "a-new-password-given" not in repr(found)
    apply_plan(deployment, found)
    login = "auth/userpass/login/developer"
    assert deployment.operator.post(login, {"password": "a-new-password-given"})["auth"]
    assert plan(deployment, changed).changes == ()
    apply_plan(deployment, plan(deployment))
    note = "secret/metadata/_strongroom/dev/userpass/developer"
    notes = deployment.operator.get(note)["data"]["custom_metadata"]
    assert ":vault:v1:" in notes["password_hmac"]
    # The lockout does not count guesses at the fingerprint, so each must cost a scrypt hash.
    quick = WriteOnly(Owner(Environment.DEV).entry("userpass", "developer"), inputs.get(path))
    assert quick.read(deployment.operator) == {"password": "different"}
