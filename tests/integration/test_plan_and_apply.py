from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app_integration.errors import AccessDenied
from app_integration.names import KV_MOUNT, Environment
from app_integration.secret import Secret
from tests.support.servers.deployment import Deployment
from vault.declare.schema.secret_sources import Derived
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.plan import Plan, make_plan, read_state
from vault.reconcile.resources import Resource
from vault.reconcile.resources.kv import destroy_versions, write_value
from vault.reconcile.resources.secrets import (
    DerivedValue,
    SecretMetadata,
    SecretValue,
    provided_value,
)
from vault.reconcile.resources.static_roles import AdoptedSecret
from vault.reconcile.resources.transit import TransitKey

pytestmark = pytest.mark.requires("embedded")


@pytest.fixture(autouse=True)
def _same_secrets(deployment: Deployment) -> Iterator[None]:
    """Delete the secrets of the service that the test has created."""
    folder = f"{KV_MOUNT}/metadata/gaara-store/dev"
    before = deployment.operator.list(folder)
    yield
    for name in {*deployment.operator.list(folder)} - {*before}:
        deployment.operator.delete(f"{folder}/{name}")


def plan(deployment: Deployment, *extra: Resource) -> Plan:
    local = deployment.local
    resources = [*local.desired(local.inputs()), *extra]
    with local.operator("strongroom-plan") as reader:
        return make_plan(resources, read_state(reader, resources))


def apply_plan(deployment: Deployment, found: Plan) -> list[str]:
    done: list[str] = []
    apply(deployment.operator, found, lambda change: done.append(str(change)))
    return done


def test_second_plan_is_empty(deployment: Deployment) -> None:
    found = plan(deployment)
    assert found.changes == ()
    assert found.missing == ()
    assert found.unchanged > 30


def test_apply_keeps_unmanaged_metadata(deployment: Deployment) -> None:
    path = "secret/metadata/gaara-store/dev/jwt-secret"
    deployment.operator.post(path, {"custom_metadata": {"note": "kept"}})
    apply_plan(deployment, plan(deployment))
    custom = deployment.operator.get(path)["data"]["custom_metadata"]
    assert custom["note"] == "kept"
    assert custom["managed_by"] == "strongroom"
    assert custom["rotate_every"] == "90d"


def test_plan_contains_no_secret_value(deployment: Deployment) -> None:
    value = SecretValue("gaara-store/dev/extra", True, lambda: pytest.fail("was read"))
    text = repr(plan(deployment, value))
    for secret in deployment.local.service("gaara-store").access.provided_secrets().values():
        assert secret.reveal() not in text


def test_plan_policy_cannot_read_a_secret_value(deployment: Deployment) -> None:
    with deployment.local.operator("strongroom-plan") as reader, pytest.raises(AccessDenied):
        reader.get("secret/data/gaara-store/dev/jwt-secret")


@pytest.mark.parametrize("how", ["deleted", "destroyed"])
def test_value_that_was_ended_is_missing_and_not_written_again(
    deployment: Deployment, how: str
) -> None:
    part, whole, adopted = (f"gaara-store/dev/{name}" for name in ("ended", "whole", "adopted"))
    resources = (
        SecretValue(part, True, lambda: Secret("x" * 32)),
        DerivedValue(whole, "m-{part}", {"part": part}),
        AdoptedSecret(adopted, "shop", Inputs()),
    )
    write_value(deployment.operator, adopted, Secret("postgresql://shop:pw@db/shop"))
    apply_plan(deployment, plan(deployment, *resources))
    for name in (part, whole, adopted):
        if how == "deleted":
            deployment.operator.delete(f"{KV_MOUNT}/data/{name}")
        else:
            destroy_versions(deployment.operator, name, KV_MOUNT)
    found = plan(deployment, *resources)
    assert (found.changes, found.missing) == ((), (part, whole, adopted))
    assert found.ended == {
        part: f"version 1 is {how}",
        whole: f"version 1 is {how}",
        adopted: f"version 3 is {how}",
    }
    write_value(deployment.operator, part, Secret("y" * 32))
    assert apply_plan(deployment, plan(deployment, *resources)) == [
        f"update derived-secret {whole}"
    ]


def test_generated_value_is_never_overwritten(deployment: Deployment) -> None:
    made = iter(["first-value", "second-value"])
    name = "gaara-store/dev/once"
    value = SecretValue(name, True, lambda: Secret(next(made)))
    apply_plan(deployment, plan(deployment, value))
    assert plan(deployment, value).changes == ()
    with pytest.raises(ApplyFailed):  # check-and-set: the value exists already
        apply_plan(deployment, make_plan([value], [None]))
    read = deployment.operator.get(f"{KV_MOUNT}/data/{name}")
    assert read["data"]["data"]["value"] == "first-value"


def test_derived_value_is_updated_with_its_parts(deployment: Deployment) -> None:
    part, name = "gaara-store/dev/part", "gaara-store/dev/whole"
    derived = DerivedValue(name, "smtp://shop:{part}@mail:25", {"part": part})
    write_value(deployment.operator, part, Secret("a/b@c"))
    apply_plan(deployment, plan(deployment, derived))
    read = deployment.operator.get(f"{KV_MOUNT}/data/{name}")["data"]["data"]["value"]
    assert read == "smtp://shop:a%2Fb%40c@mail:25"
    assert plan(deployment, derived).changes == ()
    write_value(deployment.operator, part, Secret("new"))
    found = plan(deployment, derived)
    assert [change.before for change in found.changes] == [{"value": "outdated"}]
    apply_plan(deployment, found)
    assert plan(deployment, derived).changes == ()
    deployment.operator.post(f"{KV_MOUNT}/data/{part}", {"data": {"by-hand": "new"}})
    with pytest.raises(ApplyFailed, match=f"{part} has no string under 'value'"):
        apply_plan(deployment, plan(deployment, derived))


def test_transit_key_with_other_settings_is_rejected(deployment: Deployment) -> None:
    deployment.operator.post("transit/keys/plain", {"derived": False})
    value = SecretValue("gaara-store/dev/beside", True, lambda: Secret("x" * 32))
    with pytest.raises(ApplyFailed, match="derived is False on the server") as caught:
        apply_plan(deployment, plan(deployment, value, TransitKey("plain")))
    assert "so use another name for the key\ndone before it: nothing" in str(caught.value)
    assert [str(each) for each in plan(deployment, value).changes] == [
        f"create {value.kind} {value.name}"
    ]
    deployment.operator.post("transit/keys/plain/config", {"deletion_allowed": True})
    deployment.operator.delete("transit/keys/plain")


def test_failed_apply_lists_written_changes_and_can_be_repeated(deployment: Deployment) -> None:
    good = SecretValue("gaara-store/dev/first", True, lambda: Secret("x" * 32))
    bad = SecretValue("gaara-store/dev/second", True, lambda: Secret("a\0b"))
    with pytest.raises(ApplyFailed) as caught:
        apply_plan(deployment, plan(deployment, good, bad))
    assert "NUL" in str(caught.value)
    assert "done before it:\n  create secret-value gaara-store/dev/first\n" in str(caught.value)
    fixed = SecretValue("gaara-store/dev/second", True, lambda: Secret("ab"))
    done = apply_plan(deployment, plan(deployment, good, fixed))
    assert done == ["create secret-value gaara-store/dev/second"]


def test_tag_no_longer_declared_is_removed(deployment: Deployment) -> None:
    name = "gaara-store/dev/tagged"
    with_period = SecretMetadata(name, {"owner": "shop", "rotate_every": "30d"})
    without = SecretMetadata(name, {"owner": "shop", "rotate_every": None})
    apply_plan(deployment, plan(deployment, with_period))
    found = plan(deployment, without)
    assert [change.field for change in found.changes[0].fields] == ["rotate_every"]
    apply_plan(deployment, found)
    assert plan(deployment, without).changes == ()
    custom = deployment.operator.get(f"{KV_MOUNT}/metadata/{name}")["data"]["custom_metadata"]
    assert custom == {"managed_by": "strongroom", "owner": "shop"}


def test_derived_value_of_a_derived_value_is_applied_in_one_run(deployment: Deployment) -> None:
    base, middle, top = (f"gaara-store/dev/{name}" for name in ("base", "middle", "top"))
    resources = (
        SecretValue(base, True, lambda: Secret("x" * 32)),
        DerivedValue(middle, "m-{base}", {"base": base}),
        DerivedValue(top, "t-{middle}", {"middle": middle}),
    )
    apply_plan(deployment, plan(deployment, *resources))
    assert plan(deployment, *resources).changes == ()
    write_value(deployment.operator, base, Secret("y" * 32))
    found = plan(deployment, *resources)
    assert [change.resource.name for change in found.changes] == [middle, top]
    apply_plan(deployment, found)
    assert plan(deployment, *resources).changes == ()
    read = deployment.operator.get(f"{KV_MOUNT}/data/{top}")["data"]["data"]["value"]
    assert read == f"t-m-{'y' * 32}"


def test_derived_value_without_its_parts_is_missing(deployment: Deployment) -> None:
    part = provided_value(Inputs(), "gaara-store/dev/part")
    whole = DerivedValue("gaara-store/dev/whole", "{part}", {"part": "gaara-store/dev/part"})
    found = plan(deployment, part, whole)
    assert found.missing == ("gaara-store/dev/part", "gaara-store/dev/whole")
    assert found.changes == ()


def test_desired_puts_derived_secrets_after_their_parts(deployment: Deployment) -> None:
    declared = deployment.local.declaration
    service = declared.service("gaara-store")
    secrets = {
        "a-url": Derived(source="derived", format="{b-url}/x"),
        "b-url": Derived(source="derived", format="{jwt-secret}"),
        **service.secrets,
    }
    more = service.model_copy(update={"secrets": secrets})
    changed = replace(declared, services={**declared.services, "gaara-store": more})
    names = [
        resource.name.rpartition("/")[2]
        for resource in desired_resources(changed, Environment.DEV, {}, Inputs())
        if resource.kind in {"secret-value", "derived-secret"}
    ]
    assert names.index("jwt-secret") < names.index("b-url") < names.index("a-url")
