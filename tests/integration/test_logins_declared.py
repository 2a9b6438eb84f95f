"""Declared logins, applied to a real server and tried with right and wrong credentials.

The issuers (a CI system, a cluster, an OIDC provider) are scripted, but bao really sends them
requests.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from app_integration.errors import AuthenticationFailed, ConfigurationError, StrongroomError
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import Auth, Settings
from local.processes.binaries import openbao_path
from tests.support.models.declared import SCOPE, apply_declared, declare, plan
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer, audited_server
from tests.support.servers.issuer import (
    CLIENT,
    CLIENT_SECRET,
    Authority,
    Provider,
    Signer,
    new_key,
    public,
)
from tests.support.servers.local_server import serve, write_certificate
from vault.declare.declaration import Declaration

pytestmark = pytest.mark.requires("embedded")

ISSUER = "https://ci.example.com"
SELF = "auth/token/lookup-self"
OWN_SECRET = "secret/data/shop/dev/token"
REVIEWER = "auth/kubernetes/config/token_reviewer_jwt"
GIVEN = {"auth/oidc/config/oidc_client_secret": CLIENT_SECRET}
CI = Signer(ISSUER)
LOGIN = {"audience": "strongroom", "subject": "shop", "claims": {"ref": "refs/heads/main"}}
DOCS = Path(__file__).parents[2] / "docs"
HERE = "http://localhost:8250/oidc/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serve(Provider()) as started:
        assert isinstance(started, Provider)
        yield started


def session(server: AuditedServer, auth: Auth) -> Session:
    return open_session(
        Settings(SCOPE, vault_addr=server.address, vault_cacert=server.cacert, auth=auth)
    )


def identity(opened: Session) -> dict[str, Any]:
    """Return the token's look-up, after a read that the service's policy grants."""
    assert opened.get(OWN_SECRET)["data"]["data"]["value"]
    found: dict[str, Any] = opened.get(SELF)["data"]
    return found


def login_error(opened: Session, match: str) -> str:
    with opened, pytest.raises(AuthenticationFailed, match=match) as caught:
        opened.get(OWN_SECRET)
    return f"{caught.value!r} {caught.value.__cause__!r}"


class TestJwt:
    @pytest.fixture(params=["keys", "jwks"])
    def signer(
        self,
        request: pytest.FixtureRequest,
        server: AuditedServer,
        provider: Provider,
        tmp_path: Path,
    ) -> Signer:
        """Return the signer of the tokens that the declared method accepts."""
        signer = CI
        method: dict[str, Any] = {"issuer": ISSUER, "keys": ["ci.pem"]}
        if request.param == "jwks":
            signer = provider.signer
            signer.issuer = provider.address
            method = {"issuer": provider.address, "jwks": f"{provider.address}/keys"}
        declared = declare(
            tmp_path / "declared",
            pems={"ci.pem": public(CI.key)},
            auth={"jwt": method},
            login={"jwt": LOGIN},
        )
        apply_declared(server.root, declared)
        return signer

    def opened(self, server: AuditedServer, folder: Path, token: str) -> Session:
        (folder / "jwt").write_text(token)
        return session(server, Auth("jwt", jwt_file=folder / "jwt"))

    def test_matching_token_logs_in_as_the_service(
        self, server: AuditedServer, signer: Signer, tmp_path: Path
    ) -> None:
        with self.opened(server, tmp_path, signer.token(ref="refs/heads/main")) as opened:
            found = identity(opened)
        assert found["policies"] == [str(SCOPE)]
        assert found["period"] == 3600

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            ({"aud": "somebody-else"}, "audience (aud)"),
            ({"iss": "https://elsewhere.example.com"}, "issuer (iss)"),
            ({"life": -90.0}, "token is expired"),
            ({"sub": "another"}, "subject (sub)"),
            ({"ref": "refs/heads/theirs"}, 'claim "ref" does not match'),
            ({"key": new_key()}, "signature"),
        ],
        ids=["audience", "issuer", "expired", "subject", "claim", "key"],
    )
    def test_other_token_is_rejected_with_a_hint(
        self,
        server: AuditedServer,
        signer: Signer,
        tmp_path: Path,
        wrong: dict[str, Any],
        reason: str,
    ) -> None:
        claims = {"ref": "refs/heads/main", **wrong}
        token = Signer(signer.issuer, claims.pop("key", signer.key)).token(**claims)
        said = login_error(
            self.opened(server, tmp_path, token),
            "fresh token into STRONGROOM_JWT_FILE, and that the role accepts its issuer",
        )
        assert reason in said
        assert token not in said

    def test_revoking_the_logins_prefix_revokes_its_tokens(
        self, server: AuditedServer, signer: Signer, tmp_path: Path
    ) -> None:
        with self.opened(server, tmp_path, signer.token(ref="refs/heads/main")) as opened:
            before = identity(opened)["accessor"]
            server.root.post("sys/leases/revoke-prefix/auth/jwt/login", {"sync": True})
            assert identity(opened)["accessor"] != before  # it logged in again

    def test_rotated_jwks_accepts_the_new_key_only(
        self, server: AuditedServer, provider: Provider, tmp_path: Path
    ) -> None:
        method = {"issuer": provider.address, "jwks": f"{provider.address}/keys"}
        declared = declare(tmp_path / "d", auth={"jwt": method}, login={"jwt": LOGIN})
        apply_declared(server.root, declared)
        old = provider.signer
        old.issuer = provider.address
        provider.signer = Signer(provider.address)
        new, before = (each.token(ref="refs/heads/main") for each in (provider.signer, old))
        with self.opened(server, tmp_path, new) as opened:
            assert identity(opened)["policies"] == [str(SCOPE)]
        said = login_error(self.opened(server, tmp_path, before), "STRONGROOM_JWT_FILE")
        assert "signature" in said
        assert before not in said


@pytest.fixture(scope="module")
def cluster(server: AuditedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Yield a cluster's API over TLS, declared and applied as the one that verifies tokens."""
    folder = tmp_path_factory.mktemp("cluster")
    pem = write_certificate(folder / "cluster.pem")
    ca = "-----BEGIN CERT" + pem.read_text().split("-----BEGIN CERT")[1]
    with serve(Provider(), pem) as started:
        assert isinstance(started, Provider)
        declared = declare(
            folder / "declared",
            pems={"cluster.pem": ca},
            auth={"kubernetes": {"host": started.address, "ca": "cluster.pem"}},
            login={"kubernetes": {"namespaces": ["shops"], "service_accounts": ["web"]}},
        )
        apply_declared(server.root, declared, {REVIEWER: "the reviewer's token"})
        yield started


class TestKubernetes:
    def opened(
        self, server: AuditedServer, cluster: Provider, folder: Path, account: str | None
    ) -> Session:
        """Return the session of a pod whose token the cluster knows as *account*'s, if at all."""
        namespace, name = (account or "shops:web").split(":")
        pod = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "u-1"}}
        claims: dict[str, Any] = {"kubernetes.io": pod}
        token = Signer("cluster").token(aud=["cluster"], **claims)
        if account:
            cluster.accounts[token] = account
        (folder / "token").write_text(token)
        return session(server, Auth("kubernetes", jwt_file=folder / "token"))

    def test_pod_of_the_service_account_logs_in_through_the_reviewer(
        self, server: AuditedServer, cluster: Provider, tmp_path: Path
    ) -> None:
        with self.opened(server, cluster, tmp_path, "shops:web") as opened:
            assert identity(opened)["policies"] == [str(SCOPE)]
        assert cluster.reviewers[-1] == "Bearer the reviewer's token"

    @pytest.mark.parametrize("account", ["shops:other", "elsewhere:web", None])
    def test_other_account_namespace_or_unknown_token_is_rejected(
        self, server: AuditedServer, cluster: Provider, tmp_path: Path, account: str | None
    ) -> None:
        login_error(self.opened(server, cluster, tmp_path, account), "and that the role accepts")


class TestCertificate:
    OURS = Authority()

    @pytest.fixture
    def certificate(
        self, tls_server: AuditedServer, tmp_path: Path
    ) -> Callable[[Authority, str], Auth]:
        """Return a function that issues client certificates. OURS is accepted for one name."""
        declared = declare(
            tmp_path / "declared",
            pems={"ca.pem": self.OURS.pem},
            auth={"cert": {"ca": "ca.pem"}},
            login={"cert": {"names": ["shop.example.com"]}},
        )
        apply_declared(tls_server.root, declared)
        return lambda authority, name: Auth("cert", certificate=authority.issue(name, tmp_path))

    def test_matching_certificate_logs_in_and_its_token_is_renewed(
        self, tls_server: AuditedServer, certificate: Callable[[Authority, str], Auth]
    ) -> None:
        with session(tls_server, certificate(self.OURS, "shop.example.com")) as opened:
            assert identity(opened)["policies"] == [str(SCOPE)]
            assert opened.post("auth/token/renew-self", {})["auth"]["lease_duration"] == 3600

    @pytest.mark.parametrize(
        ("authority", "name"),
        [(Authority(), "shop.example.com"), (OURS, "other.example.com")],
        ids=["another authority", "another name"],
    )
    def test_other_certificate_is_rejected(
        self,
        tls_server: AuditedServer,
        certificate: Callable[[Authority, str], Auth],
        authority: Authority,
        name: str,
    ) -> None:
        login_error(
            session(tls_server, certificate(authority, name)), "VAULT_CLIENT_CERT is expired, or"
        )


class TestPeople:
    def declared(self, provider: Provider, folder: Path) -> Declaration:
        oidc = {
            "discovery": provider.address,
            "client_id": CLIENT,
            "scopes": ["groups"],
            "roles": {"default": {"redirect_uris": [HERE]}},
        }
        groups = {
            "operators": {"claim": "platform-team", "policies": ["strongroom-plan"]},
            "auditors": {"claim": "security", "policies": ["strongroom-auditor"]},
        }
        return declare(folder, auth={"oidc": oidc}, groups=groups)

    def ask(self, server: AuditedServer, path: str, **query: str) -> dict[str, Any]:
        answer = requests.get(f"{server.address}/v1/auth/oidc/oidc/{path}", query, timeout=10)
        content: dict[str, Any] = answer.json()
        assert answer.ok, content
        return content

    def auth_url(self, server: AuditedServer, redirect: str = HERE) -> str:
        body = {"redirect_uri": redirect}
        found: str = server.root.post("auth/oidc/oidc/auth_url", body)["data"]["auth_url"]
        return found

    def log_in(self, server: AuditedServer) -> dict[str, Any]:
        """Log in as a browser does: at the provider, and back with a code."""
        went = requests.get(self.auth_url(server), allow_redirects=False, timeout=10)
        back = urlsplit(went.headers["Location"])
        assert went.headers["Location"].startswith(HERE)
        query = {key: values[0] for key, values in parse_qs(back.query).items()}
        auth: dict[str, Any] = self.ask(server, "callback", **query)["auth"]
        return auth

    @pytest.mark.parametrize(
        ("groups", "policies"),
        [
            (["platform-team"], ["strongroom-plan"]),
            (["platform-team", "security", "choir"], ["strongroom-auditor", "strongroom-plan"]),
            (["choir"], None),
        ],
    )
    def test_person_gets_the_policies_of_their_groups(
        self,
        server: AuditedServer,
        provider: Provider,
        tmp_path: Path,
        groups: list[str],
        policies: list[str] | None,
    ) -> None:
        apply_declared(server.root, self.declared(provider, tmp_path / "d"), GIVEN)
        provider.groups = groups
        auth = self.log_in(server)
        assert auth["token_policies"] == ["default"]
        assert auth.get("identity_policies") == policies
        assert auth["lease_duration"] == 3600

    def test_steps_for_a_leaver_end_the_tokens_of_that_person_only(
        self,
        server: AuditedServer,
        provider: Provider,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        apply_declared(server.root, self.declared(provider, tmp_path / "d"), GIVEN)
        kept = {"accessor": self.log_in(server)["accessor"]}
        monkeypatch.setattr(provider, "user", "eve")
        gone = {"accessor": self.log_in(server)["accessor"]}
        runbook, team = (DOCS / name for name in ("Runbook.md", "howto/Team.md"))
        helper = re.search(r"(?ms)^revoke_tokens\(\) \{.*?^\}$", runbook.read_text())
        steps = re.search(r"(?ms)^```sh\n(person=ada.*?)```$", team.read_text())
        assert helper
        assert steps
        commands = f"{helper[0]}\n{steps[1]}".replace("person=ada", "person=eve")
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607
            env={
                "PATH": f"{openbao_path().parent}:{os.environ['PATH']}",
                "BAO_ADDR": server.address,
                "BAO_TOKEN": ROOT_TOKEN,
                "HOME": str(tmp_path),
            },
            check=True,
        )
        with pytest.raises(StrongroomError):
            server.root.post("auth/token/lookup-accessor", gone)
        assert server.root.post("auth/token/lookup-accessor", kept)["data"]["ttl"] > 0
        with pytest.raises(AssertionError, match="permission denied"):
            self.log_in(server)

    def test_undeclared_redirect_uri_is_rejected(
        self, server: AuditedServer, provider: Provider, tmp_path: Path
    ) -> None:
        apply_declared(server.root, self.declared(provider, tmp_path / "d"), GIVEN)
        assert self.auth_url(server, "http://localhost:8250/elsewhere") == ""

    def test_apply_without_the_client_secret_writes_nothing(
        self, server: AuditedServer, provider: Provider, tmp_path: Path
    ) -> None:
        declared = self.declared(provider, tmp_path / "d")
        apply_declared(server.root, declared, GIVEN)
        server.root.post("auth/oidc/config", {"oidc_discovery_url": provider.address})
        changed = plan(server.root, declared).changes
        assert [str(change) for change in changed] == ["update oidc-config oidc"]
        with pytest.raises(ConfigurationError, match="GIVEN/auth/oidc/config/oidc_client_secret"):
            changed[0].resource.write(server.root, changed[0].before)
        apply_declared(server.root, declared, GIVEN)


class TestPrune:
    PEMS: ClassVar = {"ca.pem": Authority().pem, "ci.pem": public(CI.key)}

    def everything(self, provider: Provider, folder: Path) -> Declaration:
        return declare(
            folder,
            pems=self.PEMS,
            auth={
                "jwt": {"issuer": ISSUER, "keys": ["ci.pem"]},
                "kubernetes": {"host": "https://127.0.0.1:1", "ca": "ca.pem"},
                "cert": {"ca": "ca.pem"},
                "oidc": {
                    "discovery": provider.address,
                    "client_id": CLIENT,
                    "roles": {"default": {"redirect_uris": [HERE]}},
                },
            },
            login={
                "jwt": LOGIN,
                "kubernetes": {"namespaces": ["shops"], "service_accounts": ["web"]},
                "cert": {"names": ["shop"]},
            },
            groups={"operators": {"claim": "platform-team", "policies": ["strongroom-plan"]}},
        )

    def test_prune_deletes_roles_even_without_their_auth_method(
        self, provider: Provider, tmp_path: Path
    ) -> None:
        with audited_server(tmp_path) as server:
            apply_declared(server.root, self.everything(provider, tmp_path / "all"), GIVEN)
            server.root.delete("sys/auth/kubernetes")
            done = apply_declared(server.root, declare(tmp_path / "none"), prune=True)
            assert set(done) == {
                "delete jwt-role shop-dev",
                "delete kubernetes-role shop-dev",
                "delete cert-role shop-dev",
                "delete oidc-role default",
                "delete group operators",
            }
            for method in ("jwt/role", "cert/certs", "oidc/role"):
                assert server.root.list(f"auth/{method}") == []
            assert server.root.list("identity/group-alias/id") == []
