"""Tests of the checks of what an environment declares on a server that it shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from vault.declare.checks.shared_server import (
    deployment_id,
    find_errors,
    find_neighbour_errors,
    mount_paths,
)

MOUNTS = {"kv": "secret", "transit": "transit", "database": "database", "approle": "approle"}
SERVICES: dict[str, Any] = {"shop": {"keys": {"pii": {}}}, "mail": {}, "broken": None}
ADDRESS = "https://vault.example.com:8200"


def check(expected: Sequence[Expected], data: Any, stem: str = "dev") -> None:
    assert_errors(find_errors(data, stem=stem, services=SERVICES), expected)


def mounted(**paths: object) -> dict[str, Any]:
    return {"vault": {"mounts": paths}}


def running(*services: str, deployment: object = "shop") -> dict[str, Any]:
    return {"deployment": deployment, "services": {name: {} for name in services}}


class TestMounts:
    """Paths of the engines and of AppRole."""

    @pytest.mark.parametrize("data", [{}, {"vault": None}, {"vault": {"mounts": 5}}])
    def test_file_without_mounts_has_the_usual_ones(self, data: dict[str, Any]) -> None:
        check([], data)
        assert mount_paths(data) == MOUNTS

    def test_declared_mount_replaces_the_usual_one(self) -> None:
        assert mount_paths(mounted(kv="team")) == {**MOUNTS, "kv": "team"}

    @pytest.mark.parametrize(
        "paths",
        [
            {"kv": "team/kv", "transit": "team/keys", "database": "team/db"},
            {"kv": "transit-kv"},
            {"approle": "secret"},
            {"approle": "team-roles"},
        ],
        ids=["beside each other", "same beginning", "AppRole is below auth", "own AppRole"],
    )
    def test_separate_mounts_are_accepted(self, paths: dict[str, str]) -> None:
        check([], mounted(**paths))

    @pytest.mark.parametrize(
        ("paths", "both"),
        [
            ({"kv": "team", "transit": "team/keys"}, "'team' and 'team/keys'"),
            ({"kv": "database/kv"}, "'database/kv' and 'database'"),
            ({"transit": "secret"}, "'secret' and 'secret'"),
            ({"transit": "team", "database": "team/db"}, "'team' and 'team/db'"),
        ],
    )
    def test_overlapping_engines_are_rejected(self, paths: dict[str, str], both: str) -> None:
        start = f"vault.mounts has the overlapping paths {both} (expected one path for each engine"
        check([("vault.mounts", start, "none inside another")], mounted(**paths))

    @pytest.mark.parametrize("path", ["token", "userpass", "jwt", "kubernetes", "cert", "oidc"])
    def test_approle_at_another_auth_method_is_rejected(self, path: str) -> None:
        place = "vault.mounts.approle"
        start = f"{place} is '{path}', the mount of another auth method (expected a path of its own"
        check([(place, start)], mounted(approle=path))


class TestDeploymentId:
    """The id, which begins the names of the deployment's jobs and of its key."""

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ({}, "strongroom"),
            ({"deployment": "shop-team"}, "shop-team"),
            ({"deployment": "Shop Team"}, "strongroom"),
            ({"deployment": 5}, "strongroom"),
        ],
        ids=["none", "a word", "no word", "a number"],
    )
    def test_invalid_id_counts_as_the_default_one(
        self, data: dict[str, Any], expected: str
    ) -> None:
        assert deployment_id(data) == expected

    @pytest.mark.parametrize("environment", ["plan", "apply", "rotator", "auditor", "developer"])
    def test_service_with_the_name_of_a_job_is_rejected(self, environment: str) -> None:
        start = f"deployment leads to 'shop-{environment}', which shop in {environment} is called"
        expected = [("deployment", start, "(expected another id)")]
        check(expected, running("mail", "shop"), environment)

    def test_key_and_starter_with_the_name_of_a_job_are_rejected(self) -> None:
        services: dict[str, Any] = {"shop": {"keys": {"fingerprint": {}, "plan": {}}}}
        found = find_errors(running("shop", deployment="shop-dev"), stem="dev", services=services)
        starts = [
            f"deployment leads to 'shop-dev-{name}', which shop in dev is called, too"
            for name in ("fingerprint", "plan")
        ]
        assert_errors(found, [("deployment", start) for start in starts])

    def test_names_without_a_job_are_accepted(self) -> None:
        check([], running("shop", "mail"))
        check([], running("mail"), "plan")
        check([], running("shop", deployment="mail"), "plan")

    def test_service_or_environment_without_a_valid_name_does_not_hide_later_errors(self) -> None:
        start = "deployment leads to 'shop-plan', which shop in plan is called, too"
        check([("deployment", start)], running("No Name", "unknown", "broken", "shop"), "plan")
        check([], running("shop"), "Plan")


class TestApplyRole:
    """Sections that a scoped apply role has no right to apply."""

    @pytest.mark.parametrize("name", ["people", "lockout", "quotas", "auth", "groups"])
    def test_section_of_the_whole_server_is_rejected(self, name: str) -> None:
        start = f"the file has the key '{name}' together with 'apply_role: scoped' (expected none, "
        part = "as it belongs to the whole server; the platform team declares it)"
        data = {"vault": {"apply_role": "scoped"}, name: {"x": {}}}
        check([(name, start, part)], data)
        check([], {**data, "vault": {"apply_role": "root"}})

    def test_trace_ids_in_the_audit_log_of_the_whole_server_are_rejected(self) -> None:
        data = {"vault": {"apply_role": "scoped", "audit_trace_ids": True}}
        start = "vault.audit_trace_ids is set together with 'apply_role: scoped' (expected none, "
        part = "as it belongs to the whole server; the platform team declares it)"
        check([("vault.audit_trace_ids", start, part)], data)
        check([], {"vault": {"apply_role": "root", "audit_trace_ids": True}})

    def test_each_section_is_reported_and_an_empty_one_is_accepted(self) -> None:
        data = {"vault": {"apply_role": "scoped"}, "quotas": {"a": {}}, "people": {"b": {}}}
        found = [error.loc for error in find_errors(data, stem="dev", services=SERVICES)]
        assert found == [("people",), ("quotas",)]
        check([], {"vault": {"apply_role": "scoped"}, "people": {}, "tags": {"a": "b"}})


def on_server(
    *services: str, address: object = ADDRESS, role: str = "root", **more: Any
) -> dict[str, Any]:
    """Return an environment file with the default id unless *more* has another."""
    mounts = more.pop("mounts", {})
    vault = {"address": address, "apply_role": role, "mounts": mounts}
    return {"vault": vault, "services": {name: {} for name in services}, **more}


class TestNeighbours:
    """Environments on one server."""

    def check(self, expected: Sequence[Expected], stem: str, **environments: Any) -> None:
        files = {name.replace("_", "-"): data for name, data in environments.items()}
        found = find_neighbour_errors(files[stem], stem=stem, environments=files)
        assert_errors(found, expected)

    def test_second_environment_with_the_same_id_is_rejected(self) -> None:
        start = (
            f"vault.address is '{ADDRESS}', the server of prod with the same deployment id "
            "(expected a server of its own, or a 'deployment' other than prod's"
        )
        files = {"staging": on_server("shop"), "prod": on_server("shop")}
        self.check([("vault.address", start)], "staging", **files)
        self.check([], "prod", **files)

    @pytest.mark.parametrize(
        ("one", "other", "refused"),
        [
            (f"{ADDRESS}/", ADDRESS, True),
            ("https://Vault.Example.com:8200", ADDRESS, True),
            ("https://vault.example.com", "https://vault.example.com:443", True),
            ("http://127.0.0.1", "http://127.0.0.1:80", True),
            ("https://vault.example.com", "http://vault.example.com", False),
            ("https://vault.example.com", ADDRESS, False),
        ],
        ids=["slash", "case", "port of https", "port of http", "scheme", "port"],
    )
    def test_two_spellings_of_an_address_are_one_server(
        self, one: str, other: str, refused: bool
    ) -> None:
        start = f"vault.address is '{one}', the server of prod with the same deployment id"
        files = {"prod": on_server(address=other), "staging": on_server(address=one)}
        self.check([("vault.address", start)] if refused else [], "staging", **files)

    def test_each_earlier_environment_is_named(self) -> None:
        found = [
            ("vault.address", f"vault.address is '{ADDRESS}', the server of {name} with the same")
            for name in ("eu", "prod")
        ]
        self.check(found, "staging", prod=on_server(), staging=on_server(), eu=on_server())

    def test_other_server_or_other_id_is_accepted(self) -> None:
        elsewhere = on_server("shop", address="https://eu.example.com:8200")
        other_id = on_server("shop", deployment="team")
        self.check([], "staging", eu=elsewhere, prod=other_id, staging=on_server("shop"))

    @pytest.mark.parametrize("address", [None, "", 5, "https://", "https://vault:port", "vault"])
    def test_environments_whose_server_is_not_declared_are_not_compared(
        self, address: object
    ) -> None:
        self.check([], "prod", dev=on_server(address=address), prod=on_server(address=address))
        self.check([], "prod", dev={}, prod={})

    @pytest.mark.parametrize(
        ("own", "others", "refused"),
        [
            ({}, {}, True),
            ({}, {"transit": "eu/keys"}, True),
            ({}, {"database": "eu/db"}, True),
            ({}, {"kv": "eu/kv", "approle": "eu-roles"}, True),
            ({}, {"transit": "eu/keys", "database": "eu/db"}, False),
            ({"transit": "keys", "database": "db"}, {}, False),
            ({"transit": "keys", "database": "db"}, {"transit": "keys", "database": "db"}, True),
        ],
        ids=["usual", "same database", "same transit", "same both", "theirs", "ours", "same own"],
    )
    def test_scoped_role_with_rights_to_anothers_names_is_rejected(
        self, own: dict[str, str], others: dict[str, str], refused: bool
    ) -> None:
        start = (
            "vault.apply_role is 'scoped' with rights to 'shop-prod-eu', prod-eu's, too "
            "(expected other transit and database mounts than prod-eu's"
        )
        files = {
            "prod_eu": on_server("mail", "shop", deployment="eu", mounts=others),
            "prod": on_server("shop", role="scoped", mounts=own),
        }
        self.check([("vault.apply_role", start)] if refused else [], "prod", **files)

    def test_scoped_role_is_compared_with_each_neighbour(self) -> None:
        files = {
            "eu": on_server("shop-prod", "shop-prod-x", deployment="eu"),
            "prod_us": on_server("shop", deployment="us"),
            "prod": on_server("shop", "mail", role="scoped"),
            "prod_away": on_server("shop", address="https://away.example.com:8200"),
        }
        found = [
            ("vault.apply_role", f"vault.apply_role is 'scoped' with rights to '{name}', {of}'s")
            for name, of in (
                ("shop-prod-eu", "eu"),
                ("shop-prod-x-eu", "eu"),
                ("shop-prod-us", "prod-us"),
            )
        ]
        self.check(found, "prod", **files)

    def test_role_for_all_or_names_with_another_beginning_are_accepted(self) -> None:
        neighbour = on_server("shop", deployment="eu")
        self.check([], "prod", prod_eu=neighbour, prod=on_server("shop"))
        self.check([], "prod", prod_eu=neighbour, prod=on_server("mail", role="scoped"))
        self.check([], "prod", production_eu=neighbour, prod=on_server("shop", role="scoped"))
