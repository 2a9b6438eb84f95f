"""Issuers of identities for tests: a signer of JWTs, a certificate authority, an OIDC provider."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.servers.local_server import Server

PEM = serialization.Encoding.PEM
CLIENT = "strongroom"
CLIENT_SECRET = "the client's secret"
#: What the key of an authority is for.
_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(PEM, form).decode()


@dataclass
class Signer:
    issuer: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def token(self, *, life: float = 60.0, **claims: Any) -> str:
        now = time.time()
        defaults = {
            "iss": self.issuer,
            "sub": "shop",
            "aud": "strongroom",
            "iat": now,
            "nbf": now - 600,
        }
        return jwt.encode(
            {**defaults, "exp": now + life, **claims},
            self.key,
            algorithm="ES256",
            headers={"kid": self.key_id},
        )

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        """Return the claims of *token*, if it is signed for *audience* by this issuer."""
        found: dict[str, Any] = jwt.decode(
            token, self.key.public_key(), algorithms=["ES256"], audience=audience
        )
        return found

    @property
    def key_id(self) -> str:
        return str(self.key.public_key().public_numbers().x)[:12]

    def key_set(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**key, "kid": self.key_id, "use": "sig", "alg": "ES256"}]}


@dataclass
class Provider(Server):
    """An OIDC provider with one user, a JWKS, and the TokenReview API of a Kubernetes cluster."""

    user: str = "ada"
    groups: list[str] = field(default_factory=list)
    accounts: dict[str, str] = field(default_factory=dict)
    reviewers: list[str | None] = field(default_factory=list)
    signer: Signer = field(default_factory=lambda: Signer("later"))
    nonces: dict[str, str] = field(default_factory=dict)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        body = request.rfile.read(int(request.headers["Content-Length"] or 0)).decode()
        parts = urlsplit(request.path)
        if parts.path == "/authorize":
            self._redirect(request, dict(parse_qs(parts.query)))
            return
        self.signer.issuer = self.address
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": self._discovery,
            "/keys": self.signer.key_set,
            "/token": lambda: self._exchange(request.headers["Authorization"] or "", body),
            REVIEWS: lambda: self._review(request.headers["Authorization"], json.loads(body)),
        }
        content = answers[parts.path]() if parts.path in answers else {}
        status = 404 if parts.path not in answers else 201 if parts.path == REVIEWS else 200
        encoded = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(encoded)))
        request.end_headers()
        request.wfile.write(encoded)

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "id_token_signing_alg_values_supported": ["ES256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        }

    def _redirect(self, request: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> None:
        """Redirect to the client with an authorization code, as if the user had logged in."""
        code = f"code-{len(self.nonces)}"
        self.nonces[code] = query["nonce"][0]
        parameters = urlencode({"code": code, "state": query["state"][0]})
        request.send_response(302)
        request.send_header("Location", f"{query['redirect_uri'][0]}?{parameters}")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _exchange(self, authorization: str, body: str) -> dict[str, Any]:
        """Exchange an authorization code for the user's ID token, if the client secret is right."""
        credentials = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if credentials != urlencode({CLIENT: CLIENT_SECRET}).replace("=", ":"):
            return {"error": "invalid_client"}
        nonce = self.nonces.pop(parse_qs(body)["code"][0])
        claims: dict[str, Any] = {
            "sub": self.user,
            "aud": CLIENT,
            "nonce": nonce,
            "groups": self.groups,
        }
        return {
            "access_token": "a",
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": self.signer.token(**claims),
        }

    def _review(self, authorization: str | None, body: dict[str, Any]) -> dict[str, Any]:
        self.reviewers.append(authorization)
        account = self.accounts.get(body["spec"]["token"])
        status: dict[str, Any] = {"authenticated": account is not None}
        if account is not None:
            status["audiences"] = body["spec"].get("audiences", ["cluster"])
            status["user"] = {"username": f"system:serviceaccount:{account}", "uid": "u-1"}
        return {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "status": status,
        }


@dataclass
class Authority:
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def pem(self) -> str:
        signed = _certificate("authority", self.key, "authority", self.key)
        return signed.public_bytes(PEM).decode()

    def issue(self, name: str, folder: Path) -> tuple[Path, Path]:
        """Write a client certificate for the common name *name* and its key to *folder*."""
        return self._issue(name, folder, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))

    def issue_server(self, folder: Path) -> tuple[Path, Path]:
        """Write the certificate of a server at 127.0.0.1 and its key to *folder*."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return self._issue("server", folder, usage, address)

    def _issue(self, name: str, folder: Path, *extensions: x509.ExtensionType) -> tuple[Path, Path]:
        key = new_key()
        signed = _certificate(name, key, "authority", self.key, *extensions)
        certificate, private = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(signed.public_bytes(PEM))
        form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        private.write_bytes(key.private_bytes(PEM, form, none))
        return certificate, private


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    """Return a certificate, of an authority if the key is its own signer's."""
    named, by = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        for name in (subject, issuer)
    )
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(by, named, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(key is signer, None), critical=True)
    )
    public_key, authority = key.public_key(), signer.public_key()
    identifiers = (
        x509.SubjectKeyIdentifier.from_public_key(public_key),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority),
    )
    for extension in (*identifiers, *extensions):  # Python 3.13 requires the identifiers
        builder = builder.add_extension(extension, critical=False)
    if key is signer:
        builder = builder.add_extension(_SIGNING, critical=True)
    return builder.sign(signer, hashes.SHA256())
