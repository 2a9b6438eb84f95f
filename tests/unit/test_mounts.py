"""Mounts of a deployment: their grammar, their variables, and the paths of an application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app_integration import decrypt_field, encrypt_field, get_secret, permissions, transit
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import AccessDenied, ConfigurationError, InvalidName, RequestRefused
from app_integration.mounts import DEFAULT_MOUNTS, Mounts, mount_variables
from app_integration.settings import from_environment
from app_integration.testing.application import MemoryApplication, in_memory
from app_integration.transport.request import Request, Response
from app_integration.transport.responses import accept

OWN = Mounts("team/kv", "team/keys", "team/db", "team-roles")
USUAL = ("secret/", "transit/", "database/", "auth/approle/")


@pytest.fixture
def application(tmp_path: Path) -> Iterator[MemoryApplication]:
    """Yield an application on a server that has none of the default mounts."""
    with in_memory("shop", tmp_path, OWN) as running:
        yield running


def test_application_requests_only_its_own_mounts(application: MemoryApplication) -> None:
    application.put("token", "v1")
    application.database_role()
    settings = application.client.settings
    role = settings.scope.database_role()
    leases = LeasedCredentials(application.client.session, role, background=False, mounts=OWN)

    assert get_secret("token").reveal() == "v1"
    assert decrypt_field(encrypt_field("x", context={"id": 1}), context={"id": 1}) == "x"
    assert transit("pii").decrypt(transit("pii").encrypt(b"x", b"1"), b"1") == b"x"
    lease = leases.current()

    assert lease.lease_id.startswith("team/db/creds/shop-staging/")
    paths = {seen.path for seen in application.server.seen}
    assert [path for path in paths if path.startswith(USUAL)] == []
    assert {"team/kv/data/shop/staging/token", "auth/team-roles/login"} <= paths
    leases.close()


def test_adopted_secret_is_composed_below_the_own_mounts(application: MemoryApplication) -> None:
    scope = application.scope
    application.server.leases.add_static_role(scope.static_role("url"), "shop_app", 3600)
    application.operator.post(
        f"team/kv/data/{scope.secret('url')}",
        {"data": {"template": "postgresql://{username}:{password}@db/shop"}},
    )
    application.operator.post(
        f"team/kv/metadata/{scope.secret('url')}", {"custom_metadata": {"composed_version": "1"}}
    )
    assert get_secret("url").reveal().startswith("postgresql://shop_app:")


def test_required_secret_that_is_denied_names_the_rule_of_its_mount() -> None:
    rule = permissions.need("read-secret", "shop/dev/x", OWN).policy_rule()
    assert rule == 'path "team/kv/data/shop/dev/x" { capabilities = ["read"] }'
    denied = Response(403, b"{}")
    with pytest.raises(AccessDenied, match=r'add path "team/keys/encrypt/a".*\["update"\]'):
        accept(Request.from_sdk("POST", "team/keys/encrypt/a"), denied, OWN)


@pytest.mark.parametrize("mounts", [OWN, DEFAULT_MOUNTS])
@pytest.mark.parametrize(
    "path", ["team/kv/data/a", "team/keys/encrypt/a", "team/db/creds/a", "sys/wrapping/unwrap"]
)
def test_error_below_a_mount_does_not_repeat_the_server(path: str, mounts: Mounts) -> None:
    response = Response(400, b'{"errors": ["the value s3cret is wrong"]}')
    with pytest.raises(RequestRefused) as caught:
        accept(Request.from_sdk("POST", path), response, mounts)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("path", ["team/db/config/a", "sys/mounts/x", "auth/team-roles/role/a"])
def test_error_about_configuration_repeats_the_server(path: str) -> None:
    with pytest.raises(RequestRefused, match="no such host"):
        accept(Request.from_sdk("POST", path), Response(400, b'{"errors": ["no such host"]}'), OWN)


def assert_refused(message: str, **paths: str) -> None:
    with pytest.raises(InvalidName) as caught:
        Mounts(**paths)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", ["kv", "transit", "database", "approle"])
@pytest.mark.parametrize("path", ["", "Team", "team/", "/team", "team//kv", "a.b", "../sys"])
def test_mount_of_a_wrong_form_is_refused(kind: str, path: str) -> None:
    message = (
        f"mount {path!r}: use lower-case letters, digits, '-' and '_', with '/' between segments "
        "and none at the end"
    )
    assert_refused(message, **{kind: path})


@pytest.mark.parametrize("path", ["sys", "auth/x", "identity", "identity/x", "cubbyhole"])
def test_mount_below_a_path_of_the_server_is_refused(path: str) -> None:
    assert_refused(f"mount {path!r} begins with a path of the server; use another path", kv=path)


@pytest.mark.parametrize("path", ["system", "team/sys", "sys-team", "transit-kv", "team/transit"])
def test_mount_that_only_resembles_another_path_is_accepted(path: str) -> None:
    assert Mounts(kv=path).engines == (path, "transit", "database")


@pytest.mark.parametrize(
    ("paths", "both"),
    [
        ({"kv": "transit"}, "'transit' overlaps 'transit'"),
        ({"kv": "transit/kv"}, "'transit' overlaps 'transit/kv'"),
        ({"kv": "database"}, "'database' overlaps 'database'"),
        ({"transit": "team", "database": "team/db"}, "'team/db' overlaps 'team'"),
    ],
)
def test_engines_at_overlapping_mounts_are_refused(paths: dict[str, str], both: str) -> None:
    assert_refused(f"mount {both}; use another path", **paths)


def test_approle_may_have_the_path_of_an_engine() -> None:
    assert Mounts(kv="team", approle="team").auth == "auth/team"


def variables(**more: str) -> dict[str, str]:
    base = {"STRONGROOM_SERVICE": "shop", "ENVIRONMENT": "prod", "VAULT_ADDR": "https://v"}
    return {**base, **more}


def test_settings_take_the_mounts_from_the_variables_that_a_deployment_sets() -> None:
    settings = from_environment(variables(**mount_variables(OWN)))
    assert (settings.mounts.engines, settings.auth.mount) == (OWN.engines, OWN.approle)
    assert mount_variables(DEFAULT_MOUNTS) == {}
    assert from_environment(variables()).mounts == DEFAULT_MOUNTS


@pytest.mark.parametrize("kind", ["KV", "TRANSIT", "DATABASE"])
def test_wrong_mount_variable_is_named(kind: str) -> None:
    message = f"^STRONGROOM_{kind}_MOUNT is 'Team/'; expected a name such as team/kv$"
    with pytest.raises(ConfigurationError, match=message):
        from_environment(variables(**{f"STRONGROOM_{kind}_MOUNT": "Team/"}))


def test_overlapping_mount_variables_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(variables(STRONGROOM_KV_MOUNT="a", STRONGROOM_TRANSIT_MOUNT="a/b"))
    assert str(caught.value) == (
        "STRONGROOM_KV_MOUNT, STRONGROOM_TRANSIT_MOUNT, STRONGROOM_DATABASE_MOUNT: "
        "mount 'a/b' overlaps 'a'; use another path"
    )


def test_empty_mount_variables_count_as_unset() -> None:
    unset = {f"STRONGROOM_{kind}_MOUNT": "" for kind in ("KV", "TRANSIT", "DATABASE", "AUTH")}
    assert from_environment(variables(**unset)).mounts == DEFAULT_MOUNTS


def test_variables_name_only_the_mounts_that_are_not_the_usual_ones() -> None:
    assert mount_variables(OWN) == {
        "STRONGROOM_KV_MOUNT": "team/kv",
        "STRONGROOM_TRANSIT_MOUNT": "team/keys",
        "STRONGROOM_DATABASE_MOUNT": "team/db",
        "STRONGROOM_AUTH_MOUNT": "team-roles",
    }
    assert mount_variables(Mounts(transit="keys")) == {"STRONGROOM_TRANSIT_MOUNT": "keys"}
