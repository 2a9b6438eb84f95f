"""Each auth method on a real server: successful logins, and the errors of rejected ones."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from app_integration.errors import AccessDenied, AuthenticationFailed, ServerError
from app_integration.names import Environment, Scope
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import Auth, Settings
from app_integration.testing.ports import free_ports
from local.processes import binaries
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer
from tests.support.servers.kv_mount import create_kv_mount
from tests.support.servers.local_server import Server, serve, write_certificate
from tests.support.servers.server_program import openbao_only

pytestmark = pytest.mark.requires("embedded")

SCOPE = Scope("shop", Environment.DEV)
ROLE = str(SCOPE)
SELF = "auth/token/lookup-self"
_PRIVATE = serialization.PrivateFormat.PKCS8
_PEM = serialization.Encoding.PEM


def session(server: AuditedServer, auth: Auth) -> Session:
    return open_session(
        Settings(SCOPE, vault_addr=server.address, vault_cacert=server.cacert, auth=auth)
    )


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey) -> str:
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(_PEM, subject).decode()


def claims(
    life: float = 60.0, audience: str = "strongroom", subject: str = "shop"
) -> dict[str, Any]:
    now = time.time()
    return {"iss": "https://ci", "sub": subject, "aud": audience, "iat": now, "exp": now + life}


KEY = key()


@pytest.fixture(scope="module")
def jwt_mount(server: AuditedServer) -> None:
    server.root.post("sys/auth/jwt", {"type": "jwt"})
    server.root.post("auth/jwt/config", {"jwt_validation_pubkeys": [public(KEY)]})
    server.root.post(
        f"auth/jwt/role/{ROLE}",
        {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["strongroom"],
            "bound_subject": "shop",
            "token_ttl": 60,
        },
    )


@pytest.mark.usefixtures("jwt_mount")
class TestJwt:
    def file(self, folder: Path, key: ec.EllipticCurvePrivateKey, **options: Any) -> Path:
        path = folder / "token"
        path.write_text(jwt.encode(claims(**options), key, algorithm="ES256"))
        return path

    def test_jwt_signed_for_role_logs_in(self, server: AuditedServer, tmp_path: Path) -> None:
        auth = Auth("jwt", jwt_file=self.file(tmp_path, KEY))
        with session(server, auth) as opened:
            assert opened.get(SELF)["data"]["meta"]["role"] == ROLE

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            ({"key": key()}, "no known key"),
            ({"life": -300.0}, "token is expired"),
            ({"audience": "somebody-else"}, "audience claim does not match"),
            ({"subject": "somebody-else"}, r"invalid subject \(sub\)"),
        ],
        ids=["signed by another", "expired", "for another", "of another"],
    )
    def test_jwt_that_does_not_match_is_refused_with_reason_and_without_jwt(
        self, server: AuditedServer, tmp_path: Path, wrong: dict[str, Any], reason: str
    ) -> None:
        file = self.file(tmp_path, **{"key": KEY, **wrong})
        with (
            session(server, Auth("jwt", jwt_file=file)) as opened,
            pytest.raises(AuthenticationFailed, match=f"{reason}.*STRONGROOM_JWT_FILE") as caught,
        ):
            opened.get(SELF)
        assert file.read_text() not in f"{caught.value!r} {caught.value.__cause__!r}"

    def test_jwt_file_replaced_is_read_at_next_login(
        self, server: AuditedServer, tmp_path: Path
    ) -> None:
        file = self.file(tmp_path, KEY)
        with session(server, Auth("jwt", jwt_file=file)) as opened:
            first = opened.get(SELF)["data"]["accessor"]
            file.write_text(jwt.encode({**claims(), "jti": "2"}, KEY, algorithm="ES256"))
            server.root.post("auth/token/revoke-accessor", {"accessor": first})
            assert opened.get(SELF)["data"]["accessor"] != first


#: What a cluster's API server says of the token of a pod.
REVIEW: Final[dict[str, Any]] = {
    "kind": "TokenReview",
    "apiVersion": "authentication.k8s.io/v1",
    "status": {
        "authenticated": True,
        "audiences": ["k8s"],
        "user": {"username": "system:serviceaccount:shops:shop", "uid": "u-1"},
    },
}


class TestKubernetes:
    def test_kubernetes_token_logs_in(self, server: AuditedServer, tmp_path: Path) -> None:
        pod = {
            "kubernetes.io": {
                "namespace": "shops",
                "serviceaccount": {"name": "shop", "uid": "u-1"},
            }
        }
        file = tmp_path / "token"
        file.write_text(jwt.encode({**claims(), **pod, "aud": ["k8s"]}, key(), algorithm="ES256"))
        # The cluster's API server is the only fake part.
        pem = write_certificate(tmp_path / "cluster.pem")
        with serve(Cluster(201, json.dumps(REVIEW).encode()), pem) as cluster:
            server.root.post("sys/auth/kubernetes", {"type": "kubernetes"})
            server.root.post(
                "auth/kubernetes/config",
                {
                    "kubernetes_host": cluster.address,
                    "kubernetes_ca_cert": "-----BEGIN CERT"
                    + pem.read_text().split("BEGIN CERT")[1],
                    "disable_local_ca_jwt": True,
                    "token_reviewer_jwt": file.read_text(),
                },
            )
            server.root.post(
                f"auth/kubernetes/role/{ROLE}",
                {
                    "bound_service_account_names": ["shop"],
                    "bound_service_account_namespaces": ["shops"],
                },
            )
            with session(server, Auth("kubernetes", jwt_file=file)) as opened:
                assert opened.get(SELF)["data"]["meta"]["role"] == ROLE
        assert [path for path, _ in cluster.seen] == [
            "POST /apis/authentication.k8s.io/v1/tokenreviews"
        ]


class Cluster(Server):
    def handle(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        super().handle(request)


class TestCertificate:
    @pytest.fixture
    def pair(self, tls_server: AuditedServer, tmp_path: Path) -> tuple[Path, Path]:
        """Return a certificate that the role accepts, and its key."""
        made, now = key(), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
        certificate = (
            x509.CertificateBuilder(name, name, made.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(made, hashes.SHA256())
        )
        files = tmp_path / "client.pem", tmp_path / "client.key"
        files[0].write_bytes(certificate.public_bytes(_PEM))
        files[1].write_bytes(made.private_bytes(_PEM, _PRIVATE, serialization.NoEncryption()))
        tls_server.root.post("sys/auth/cert", {"type": "cert"})
        tls_server.root.post(
            f"auth/cert/certs/{ROLE}",
            {"certificate": files[0].read_text(), "token_ttl": 60},
        )
        return files

    def test_certificate_logs_in_and_its_token_is_renewable(
        self, tls_server: AuditedServer, pair: tuple[Path, Path]
    ) -> None:
        with session(tls_server, Auth("cert", certificate=pair)) as opened:
            assert opened.get(SELF)["data"]["meta"]["cert_name"] == ROLE
            # The server renews a token only over a connection with the certificate of its login.
            assert opened.post("auth/token/renew-self", {})["auth"]["lease_duration"] == 60
        tls_server.root.delete("sys/auth/cert")

    def test_certificate_without_role_is_refused(
        self, tls_server: AuditedServer, pair: tuple[Path, Path]
    ) -> None:
        with session(tls_server, Auth("cert", certificate=pair)) as opened:
            opened.get(SELF)
        tls_server.root.delete(f"auth/cert/certs/{ROLE}")
        with (
            session(tls_server, Auth("cert", certificate=pair)) as opened,
            pytest.raises(AuthenticationFailed, match="VAULT_CLIENT_CERT"),
        ):
            opened.get(SELF)
        tls_server.root.delete("sys/auth/cert")


class TestToken:
    def test_sink_token_replaced_is_read_again_and_never_revoked(
        self, server: AuditedServer, tmp_path: Path
    ) -> None:
        sink = tmp_path / "sink"
        tokens = [server.root.post("auth/token/create", {"ttl": "60s"})["auth"] for _ in range(2)]
        sink.write_text(tokens[0]["client_token"])
        with session(server, Auth("token", token_file=sink)) as opened:
            assert opened.get(SELF)["data"]["accessor"] == tokens[0]["accessor"]
            another = tmp_path / "another"
            another.write_text(tokens[1]["client_token"])
            another.replace(sink)
            assert opened.get(SELF)["data"]["accessor"] == tokens[1]["accessor"]
        for token in tokens:
            server.root.post("auth/token/lookup-accessor", {"accessor": token["accessor"]})

    def test_sink_token_revoked_says_what_to_check(
        self, server: AuditedServer, tmp_path: Path
    ) -> None:
        sink = tmp_path / "sink"
        sink.write_text("s.neveranything")
        with (
            session(server, Auth("token", token_file=sink)) as opened,
            pytest.raises(AuthenticationFailed, match="check that the agent"),
        ):
            opened.get(SELF)


class TestNamespace:
    @openbao_only
    def test_service_with_namespace_sends_every_request_below_it(
        self, server: AuditedServer, tmp_path: Path
    ) -> None:
        server.root.post("sys/namespaces/east", {})
        with Session(server.address, server.root._auth_method, namespace="east") as east:
            east.post("sys/auth/approle", {"type": "approle"})
            create_kv_mount(east, "secret")
            rule = 'path "secret/data/shop/dev/x" { capabilities = ["read"] }'
            east.post("sys/policies/acl/shop-dev", {"policy": rule})
            east.post(f"auth/approle/role/{ROLE}", {"token_policies": [ROLE]})
            east.post("secret/data/shop/dev/x", {"data": {"value": "of the east"}})
            role_id = east.get(f"auth/approle/role/{ROLE}/role-id")["data"]["role_id"]
            wrapped = east.post(f"auth/approle/role/{ROLE}/secret-id", {}, wrap_ttl=60)
        (tmp_path / "role-id").write_text(role_id)
        (tmp_path / "secret-id").write_text(wrapped["wrap_info"]["token"])
        settings = Settings(
            SCOPE,
            vault_addr=server.address,
            vault_namespace="east",
            role_id_file=tmp_path / "role-id",
            secret_id_file=tmp_path / "secret-id",
            auth=Auth("approle-wrapped"),
        )
        with open_session(settings) as opened:
            read = opened.get("secret/data/shop/dev/x")
            assert read["data"]["data"]["value"] == "of the east"
            with pytest.raises(AccessDenied, match='path "secret/data/other"'):
                opened.get("secret/data/other")


class TestProxy:
    CONFIGURATION = """
vault {{ address = "{address}" }}
auto_auth {{
  method "token_file" {{ config = {{ token_file_path = "{token}" }} }}
}}
api_proxy {{ use_auto_auth_token = true }}
listener "tcp" {{
  address = "{listen}"
  tls_disable = true
  require_request_header = true
}}
listener "unix" {{
  address = "{socket}"
  tls_disable = true
}}
"""

    @pytest.fixture
    def agent(self, server: AuditedServer, tmp_path: Path) -> Iterator[str]:
        """Yield the address of a real agent's listener, which adds its token."""
        token = server.root.post("auth/token/create", {"ttl": "60s"})["auth"]["client_token"]
        (tmp_path / "token").write_text(token)
        listen = f"127.0.0.1:{free_ports(1)[0]}"
        configuration = tmp_path / "agent.hcl"
        configuration.write_text(
            self.CONFIGURATION.format(
                address=server.address,
                token=tmp_path / "token",
                listen=listen,
                socket=tmp_path / "agent.sock",
            )
        )
        with (tmp_path / "agent.log").open("wb") as log:
            process = subprocess.Popen(
                (str(binaries.openbao_path()), "agent", f"-config={configuration}"),
                env={"HOME": str(tmp_path)},
                stdout=log,
                stderr=log,
            )
        yield f"http://{listen}"
        process.terminate()
        process.wait(20)

    def test_agent_proxy_adds_its_token_over_tcp_and_unix_socket(
        self, server: AuditedServer, agent: str, tmp_path: Path
    ) -> None:
        logins = server.count("auth/approle/login")
        for address in (agent, f"unix://{tmp_path}/agent.sock"):
            settings = Settings(SCOPE, vault_addr=address, auth=Auth("proxy"))
            with open_session(settings) as opened:

                def serves(opened: Session = opened) -> bool:
                    try:
                        return bool(opened.get("sys/mounts")["data"])
                    except (ServerError, AuthenticationFailed):
                        return False

                wait_until(serves, f"an answer through {address}")
        assert server.count("auth/approle/login") == logins
