"""Views of what goes on: rotations under way, leases, the plan, and two environments compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.names import Environment
from app_integration.session.session import Session
from console.target.environment_rotations import Rotations, open_rotations
from console.target.evidence_sources import EvidenceSources
from console.target.target import open_target
from tests.e2e.conftest import visit
from tests.support.page_browser import PageBrowser
from tests.support.servers.deployment import Deployment
from vault.rotation.record import Step

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.requires("chromium")]

STAGING = Environment("staging")
DRIFTED = "sys/policies/acl/orders-mail-dev"


@pytest.fixture(scope="module")
def page(
    deployment: Deployment, pytestconfig: pytest.Config, port_variables: dict[str, str]
) -> Iterator[PageBrowser]:
    """Yield a browser on the page of dev, and of staging, which is on the same server.

    The page reads staging with the policy of the auditor, and dev with the deployment's own
    credential.
    """
    del port_variables
    address = deployment.ports.vault_address
    with deployment.token("strongroom-auditor") as token:
        others = {STAGING: lambda: Session(address, StaticToken(token))}
        with visit(pytestconfig, deployment.layout.root, others=others) as visitor:
            yield visitor


def _an_hour_later(opened: Rotations) -> Rotations:
    """Return the rotations after an announcement."""
    clock = opened.context.clock
    later = replace(opened.context, clock=lambda: clock() + timedelta(minutes=71))
    return replace(opened, context=later)


@pytest.fixture(scope="module", autouse=True)
def underway(deployment: Deployment, page: PageBrowser) -> Iterator[None]:  # noqa: ARG001 (its variables)
    """Begin a rotation of what the store has read, lease it a user, and change a policy.

    All of it is undone afterwards.
    """
    policy = deployment.operator.get(DRIFTED)["data"]["policy"]
    evidence = EvidenceSources(open_target(root=deployment.layout.root), (), None)
    rotations = open_rotations(evidence, "gaara-store", lambda *_: None)
    with closing(Client(deployment.settings)) as store, rotations as opened:
        store.secrets.get("jwt-secret", force_refresh=True)
        store.session.get("database/creds/gaara-store-dev")
        item = opened.find("jwt-secret", None)
        assert opened.run(item).announced_until is not None
        assert _an_hour_later(opened).run(item).record.step is Step.CONSUMERS
        deployment.operator.post(
            DRIFTED, {"policy": 'path "sys/mounts" { capabilities = ["read"] }'}
        )
        yield
        deployment.operator.post(DRIFTED, {"policy": policy})
        opened.rotation(item).undo()


def test_operator_finds_who_a_rotation_waits_for_and_how_to_go_back(
    deployment: Deployment, page: PageBrowser
) -> None:
    with page.open("/rotations") as view:
        section = view.get_by_role("region", name="Consumers of jwt-secret")
        waiting = section.get_by_role("row", name="gaara-store-dev")
        assert "Waits for" in waiting.first.inner_text()
        assert view.locator("[aria-current=step]").inner_text().startswith("consumers")
        commands = view.locator(".command pre").all_text_contents()
        where = f"--env dev --service gaara-store --kind secret --root {deployment.layout.root}"
        command = f"strongroom rotate jwt-secret {where}"
        assert commands == [command, f"{command} --undo", f"{command} --compromised"]


def test_operator_finds_the_leases_of_a_role_without_their_ids(
    page: PageBrowser, deployment: Deployment
) -> None:
    ids = deployment.operator.list("sys/leases/lookup/database/creds/gaara-store-dev/")
    with page.open("/leases") as view:
        row = view.get_by_role("row", name="gaara-store-dev").first
        assert row.get_by_role("cell").first.inner_text() == str(len(ids))
        assert not any(each in view.content() for each in ids)


def test_operator_finds_the_changed_policy_and_the_command(
    deployment: Deployment, page: PageBrowser
) -> None:
    with page.open("/plan") as view:
        view.get_by_role("link", name="orders-mail").click()
        row = view.locator("table.changes").get_by_role("row", name="orders-mail-dev")
        assert "change" in row.inner_text()
        row.get_by_text("lines").click()
        assert '-path "sys/mounts"' in row.inner_text()
        command = (view.locator(".command pre").first.text_content() or "").strip()
        assert command == f"strongroom apply --env dev --root {deployment.layout.root}"


def test_auditor_sees_a_part_of_the_plan_and_who_sees_all_of_it(page: PageBrowser) -> None:
    with page.open("/plan?env=staging") as view:
        hint = view.get_by_role("group", name="Not all was compared")
        assert "strongroom-plan" in hint.inner_text()
        assert "database-connection" in hint.inner_text()
        assert view.locator("table.changes tbody tr").count() > 10


def test_operator_finds_what_only_one_environment_has(page: PageBrowser) -> None:
    with page.open("/compare?left=dev&right=staging&area=secret&service=gaara-store") as view:
        row = view.locator("table.entries").get_by_role("row", name="jwt-secret")
        assert row.get_by_role("cell").all_inner_texts()[1:3] == ["has a value", "no value"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/rotations", "rotations"),
        ("/leases", "leases"),
        ("/plan", "plan"),
        ("/compare?area=secret&service=orders-mail", "compare"),
        # All rows of a page take axe-core two seconds in each theme and width.
        pytest.param("/rotations?env=staging", "rotations-empty", marks=pytest.mark.nightly),
        pytest.param("/plan?env=staging", "plan-part", marks=pytest.mark.nightly),
        pytest.param("/compare", "compare-all", marks=pytest.mark.nightly),
        pytest.param("/compare?q=nothing", "compare-empty", marks=pytest.mark.nightly),
    ],
)
def test_view_has_no_fault_in_both_themes_and_widths(
    page: PageBrowser, path: str, name: str
) -> None:
    page.check(path, name)
    assert len(list(page.pictures.glob(f"{name}-[ld]*.png"))) == 4
