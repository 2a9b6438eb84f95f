"""Tests of the checks of logins, groups and auth methods that the schema cannot make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support.field_errors import Expected, assert_errors
from tests.unit.vault.conftest import BASE
from vault.declare.checks.login import find_errors

PEMS = {name: (BASE / "environments" / name).read_bytes() for name in ("ca.pem", "ci.pem")}
OIDC = {"roles": {"default": {"redirect_uris": ("http://localhost:8250/oidc/callback",)}}}
AUTH: dict[str, Any] = {
    "jwt": {"keys": ("ci.pem",)},
    "kubernetes": {"host": "https://cluster.example.com:6443", "ca": "ca.pem"},
    "cert": {"ca": "ca.pem"},
    "oidc": {"discovery": "https://login.example.com", "ca": "ca.pem", **OIDC},
}
#: A service whose file an agent delivers, so that the agent must be able to log in as it.
DELIVERED: dict[str, Any] = {"shop": {"config": {}}}


def check(
    expected: Sequence[Expected],
    stem: str = "prod",
    *,
    files: Mapping[str, Any] = DELIVERED,
    pems: Mapping[str, bytes] = PEMS,
    **data: Any,
) -> None:
    assert_errors(find_errors(data, stem=stem, services=files, pems=pems), expected)


def shop(**login: Any) -> dict[str, Any]:
    return {"shop": {"login": login}}


@pytest.mark.parametrize(
    "sections",
    [
        {"auth": {"kubernetes": {**AUTH["kubernetes"], "host": 5}}},
        {"auth": {"cert": {"ca": 5}, "jwt": {"keys": "own.pem"}}},
        {"auth": {"oidc": {"roles": None}}},
        {"auth": {"oidc": {"roles": ("default",)}}},
        {"auth": {"oidc": {"roles": {"default": None}}}},
        {"auth": {"oidc": {"roles": {"default": {"redirect_uris": "http://a.b/c"}}}}},
        {"services": shop(approle={}, userpass={})},
        {"services": {"shop": {"login": 5}}},
        {"services": shop(), "agent": {"login": "userpass"}},
    ],
    ids=str,
)
def test_malformed_section_is_left_to_the_schema(sections: dict[str, Any]) -> None:
    check([], **sections)


class TestAuthMethods:
    """Keys, certificates and addresses of auth methods."""

    def test_valid_auth_methods_are_accepted(self) -> None:
        check([], auth=AUTH)
        check([])
        check([], auth=None)

    def test_jwt_method_without_keys_and_jwks_is_rejected(self) -> None:
        start = "auth.jwt lacks the key 'keys' or 'jwks' (expected PEM files of public keys, or an"
        check([("auth.jwt.keys", start)], auth={"jwt": {"issuer": "ci"}})

    @pytest.mark.parametrize(
        "jwt",
        [{"keys": ("ci.pem",)}, {"jwks": "https://ci"}, {"jwks": "https://ci", "ca": "ca.pem"}, {}],
        ids=["keys", "address", "address with ca", "no method"],
    )
    def test_jwt_method_with_keys_or_jwks_is_accepted(self, jwt: dict[str, Any]) -> None:
        check([], auth={"jwt": jwt})

    def test_jwt_method_with_keys_and_jwks_is_rejected(self) -> None:
        start = "auth.jwt.jwks is set together with keys (expected one of the two)"
        check([("auth.jwt.jwks", start)], auth={"jwt": {**AUTH["jwt"], "jwks": "https://ci"}})

    def test_ca_without_jwks_is_rejected(self) -> None:
        start = "auth.jwt.ca is set without jwks (expected nothing, as it verifies the host"
        check([("auth.jwt.ca", start)], auth={"jwt": {**AUTH["jwt"], "ca": "ca.pem"}})

    @pytest.mark.parametrize(
        ("method", "key"), [("jwt", "jwks"), ("kubernetes", "host"), ("oidc", "discovery")]
    )
    def test_http_address_is_rejected(self, method: str, key: str) -> None:
        valid = {"jwt": {}, "kubernetes": AUTH["kubernetes"], "oidc": AUTH["oidc"]}[method]
        place, address = f"auth.{method}.{key}", "http://127.0.0.1:1"
        auth = {method: {**valid, key: address}}
        check([(place, f"{place} is '{address}' (expected https:// in prod")], auth=auth)
        check([], "dev", auth=auth)


class TestPemFiles:
    """PEM files in the configuration of auth methods."""

    @pytest.mark.parametrize("method", ["jwt", "kubernetes", "cert", "oidc"])
    def test_missing_ca_file_is_rejected_with_a_suggestion(self, method: str) -> None:
        valid = {"jwks": "https://ci"} if method == "jwt" else AUTH[method]
        place = f"auth.{method}.ca"
        start = f"{place} is 'caa.pem', which does not exist (expected a file in the same folder: "
        expected = (place, start, "ca.pem or ci.pem; did you mean 'ca.pem'?")
        check([expected], auth={method: {**valid, "ca": "caa.pem"}})

    def test_missing_file_in_an_empty_folder_is_rejected(self) -> None:
        start = "auth.cert.ca is 'ca.pem', which does not exist (expected a file in "
        expected = ("auth.cert.ca", start, "the same folder: none exists yet)")
        check([expected], pems={}, auth={"cert": AUTH["cert"]})

    def test_missing_key_file_is_rejected_at_its_location(self) -> None:
        start = "auth.jwt.keys[1] is 'own.pem', which does not exist"
        check([("auth.jwt.keys[1]", start)], auth={"jwt": {"keys": ("ci.pem", "own.pem", 5)}})

    def test_file_with_a_private_key_is_rejected(self) -> None:
        start = "auth.cert.ca is 'own.pem', which contains a private key (expected a public key; "
        pems = {**PEMS, "own.pem": PEMS["ca.pem"] + b"-----BEGIN EC PRIVATE KEY-----\n"}
        check([("auth.cert.ca", start)], pems=pems, auth={"cert": {"ca": "own.pem"}})

    @pytest.mark.parametrize("content", [b"", b"text", PEMS["ci.pem"]], ids=["none", "text", "key"])
    def test_ca_file_without_a_certificate_is_rejected(self, content: bytes) -> None:
        start = "auth.cert.ca is 'own.pem', which does not contain a valid certificate (expected "
        expected = ("auth.cert.ca", start, "a PEM file with a certificate)")
        check([expected], pems={"own.pem": content}, auth={"cert": {"ca": "own.pem"}})

    @pytest.mark.parametrize("content", [b"", b"text", PEMS["ca.pem"]], ids=["none", "text", "ca"])
    def test_key_file_without_a_public_key_is_rejected(self, content: bytes) -> None:
        start = "auth.jwt.keys[0] is 'own.pem', which does not contain a valid public key "
        expected = ("auth.jwt.keys[0]", start, "(expected a PEM file with a public key)")
        check([expected], pems={"own.pem": content}, auth={"jwt": {"keys": ("own.pem",)}})


class TestOidc:
    """OIDC roles, with which people log in through a browser."""

    @pytest.mark.parametrize("roles", [{}, {"other": {}}], ids=["none", "another"])
    def test_roles_without_default_are_rejected(self, roles: object) -> None:
        start = "auth.oidc.roles lacks the role 'default' (expected it, as a login without a"
        check([("auth.oidc.roles", start)], auth={"oidc": {"roles": roles}})

    @pytest.mark.parametrize("stem", ["dev", "prod"])
    def test_http_redirect_uri_is_rejected_except_for_loopback(self, stem: str) -> None:
        place = "auth.oidc.roles.web.redirect_uris[1]"
        start = f"{place} is 'http://vault.example.com/cb' (expected https://, as http:// is for"
        uris = ("http://127.0.0.1:8250/cb", "http://vault.example.com/cb", 5, "https://a.b/cb")
        roles = {**OIDC["roles"], "web": {"redirect_uris": uris}}
        check([(place, start)], stem, auth={"oidc": {"roles": roles}})


class TestGroups:
    """Groups of people at the OpenID provider."""

    def test_groups_without_oidc_are_rejected(self) -> None:
        start = "the file has the key 'groups' (expected auth.oidc too, as a group's members come"
        groups = {"operators": {"claim": "team", "policies": ("strongroom-plan",)}}
        check([("groups", start)], groups=groups)
        check([("groups", start)], groups=groups, auth={"oidc": {}})
        check([], groups=groups, auth={"oidc": OIDC})
        check([], groups={})

    def test_policies_of_people_and_services_are_accepted(self) -> None:
        policies = ("strongroom-plan", "strongroom-auditor", "shop-prod")
        groups = {"operators": {"policies": policies}}
        check([], groups=groups, auth={"oidc": OIDC}, services={"shop": {}})

    def test_developer_policy_is_rejected_outside_dev(self) -> None:
        groups = {"ops": {"policies": ("strongroom-plan",)}, "all": {"policies": ("developer",)}}
        place = "groups.all.policies[0]"
        start = f"{place} is the unknown policy 'developer' (expected strongroom-auditor or "
        check([(place, start)], groups=groups, auth={"oidc": OIDC})
        check([], "dev", groups=groups, auth={"oidc": OIDC})

    def test_repeated_claim_is_rejected_at_each_later_group(self) -> None:
        groups = {name: {"claim": "team"} for name in "abc"}
        others = {"d": {"claim": "other"}, "e": {"claim": 5}, "f": {"claim": 5}}
        expected = [
            (
                f"groups.{name}.claim",
                f"groups.{name}.claim is 'team', as in groups.a (expected one group for",
            )
            for name in "bc"
        ]
        check(expected, groups={**groups, **others}, auth={"oidc": OIDC})


class TestServiceLogin:
    """Auth methods with which a service may log in."""

    @pytest.mark.parametrize("method", ["jwt", "kubernetes", "cert"])
    def test_login_method_that_is_not_declared_is_rejected(self, method: str) -> None:
        place = f"services.shop.login.{method}"
        start = f"{place} is set (expected nothing, as auth declares no {method}"
        services = shop(approle={}, **{method: {"subject": "shop"}})
        check([(place, start)], services=services)
        check([], services=services, auth={method: AUTH[method]})

    def test_login_of_a_job_is_checked_like_that_of_a_service(self) -> None:
        start = "jobs.plan.jwt is set (expected nothing, as auth declares no jwt"
        bound = {"jwt": {"claims": {"repository": ("shop/secrets",)}}}
        check([("jobs.plan.jwt", start)], jobs={"plan": bound})
        check([], jobs={"plan": bound}, auth={"jwt": AUTH["jwt"]})
        start = "jobs.apply.jwt lacks the key 'subject' or 'claims' (expected one of them, as the"
        open_to_all = {"apply": {"jwt": {"audience": "vault"}}}
        check([("jobs.apply.jwt.subject", start)], jobs=open_to_all, auth={"jwt": AUTH["jwt"]})

    @pytest.mark.parametrize("restriction", [{"subject": "shop"}, {"claims": {"ref": "main"}}])
    def test_jwt_login_without_subject_and_claims_is_rejected(
        self, restriction: dict[str, Any]
    ) -> None:
        place = "services.shop.login.jwt"
        start = f"{place} lacks the key 'subject' or 'claims' (expected one of them, as the"
        auth, login = {"jwt": AUTH["jwt"]}, {"audience": "strongroom"}
        services = shop(approle={}, jwt=login)
        check([(f"{place}.subject", start)], services=services, auth=auth)
        check([], services=shop(approle={}, jwt={**login, **restriction}), auth=auth)

    @pytest.mark.parametrize("login", [{}, {"jwt": {"subject": "shop"}}], ids=["none", "jwt"])
    def test_login_without_approle_is_rejected_in_dev_only(self, login: dict[str, Any]) -> None:
        place = "services.shop.login"
        start = f"{place} lacks the key 'approle' (expected 'approle: {{}}' in dev, as the local"
        services, auth = {"mail": {}, **shop(**login)}, {"jwt": AUTH["jwt"]}
        check([(place, start)], "dev", services=services, auth=auth, files={})
        check([], "prod", services=services, auth=auth, files={})
        check([], "dev", services=shop(approle={}, **login), auth=auth, files={})


class TestAgent:
    """Auth method of the agent, and the files that it needs."""

    @pytest.mark.parametrize(
        ("method", "keys"),
        [
            ("jwt", ("token_file",)),
            ("kubernetes", ("token_file",)),
            ("cert", ("certificate_file", "key_file")),
        ],
    )
    def test_agent_login_without_its_files_is_rejected(
        self, method: str, keys: tuple[str, ...]
    ) -> None:
        expected = [
            (f"agent.{key}", f"agent lacks the key '{key}' (expected a path, as agent.login is ")
            for key in keys
        ]
        check([(*each, f"is {method})") for each in expected], agent={"login": method})
        check(expected[1:], agent={"login": method, keys[0]: "/run/file"})
        check([], agent={"login": method, **dict.fromkeys(keys, "/run/file")})

    @pytest.mark.parametrize("login", ["approle", "userpass", None, 5, ("jwt",), {"jwt": 1}])
    def test_other_agent_login_needs_no_files(self, login: object) -> None:
        check([], agent={"login": login})

    def test_agent_login_that_a_service_does_not_allow_is_rejected(self) -> None:
        start = "agent.login is 'approle', with which services.shop may not log in (expected cert "
        services = shop(jwt={"subject": "shop"}, cert={})
        expected = [("agent.login", start, "cert or jwt)")]
        check(expected, services=services, auth=AUTH, agent={"login": "approle"})
        check(expected, services=services, auth=AUTH)
        agent = {"login": "jwt", "token_file": "/run/token"}
        check([], services=services, auth=AUTH, agent=agent)

    def test_service_without_login_allows_approle_only(self) -> None:
        start = "agent.login is 'jwt', with which services.shop may not log in (expected approle)"
        agent = {"login": "jwt", "token_file": "/run/token"}
        check([("agent.login", start)], services={"shop": {}}, agent=agent)
        check([], services={"shop": {}})

    def test_service_with_an_empty_login_is_rejected(self) -> None:
        start = "agent.login is 'approle', with which services.shop may not log in (expected a "
        check([("agent.login", start, "a method of its login)")], services=shop())

    @pytest.mark.parametrize(
        "other", [{}, {"mail": {}}, {"mail": None}], ids=["unknown", "not delivered", "unreadable"]
    )
    def test_services_without_config_do_not_hide_errors_of_others(
        self, other: dict[str, Any]
    ) -> None:
        start = "agent.login is 'approle', with which services.shop may not log in (expected jwt)"
        login = {"jwt": {"subject": "shop"}}
        services = {"mail": {"login": login}, "shop": {"login": login}}
        check([("agent.login", start)], services=services, auth=AUTH, files={**other, **DELIVERED})


class TestColours:
    """Colours of a service, each with an AppRole of its own."""

    @pytest.mark.parametrize("login", [{}, {"login": {"approle": {}}}])
    def test_colours_of_a_service_with_approle_are_accepted(self, login: dict[str, Any]) -> None:
        check([], services={"shop": {"colours": ("blue", "green"), **login}}, files={})

    def test_colours_of_a_service_without_approle_are_rejected(self) -> None:
        start = "services.shop.colours is set without AppRole (expected 'approle: {}' under login"
        jwt = {"audience": "a", "subject": "s"}
        service = {"colours": ("blue",), "login": {"jwt": jwt}}
        check([("services.shop.colours", start)], auth=AUTH, services={"shop": service}, files={})
