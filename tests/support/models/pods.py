"""Declaration of a service that runs in a cluster, and the Deployment that its team has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from app_integration.names import Environment, Scope
from tests.support.models.declaration_files import write_declaration
from vault.declare.declaration import Declaration

SCOPE: Final = Scope("parcels", Environment("staging"))
TOKEN_FILE: Final = "/var/run/secrets/strongroom/token"
#: Its model is that of the watched application.
TEMPLATE: Final = '{"value": {{ secret("token") }}, "mood": {{ setting("mood") }}}\n'
SERVICE: Final[dict[str, Any]] = {
    "service": "parcels",
    "owner": "parcels-team",
    "description": "Sends parcels.",
    "secrets": {"token": {"source": "generated", "length": 48}},
    "settings": {"mood": {"type": "text", "default": "well"}},
}
CONFIG: Final[dict[str, Any]] = {
    "template": "app.json.j2",
    "model": "models:Config",
    "settings": ["mood"],
    "reload": "SIGHUP",
    "health": "http://127.0.0.1:8000/health",
    "settle": "1s",
    "within": "10s",
}
AGENT: Final[dict[str, Any]] = {
    "render_interval": "1s",
    "login": "kubernetes",
    "token_file": TOKEN_FILE,
}
KUBERNETES: Final[dict[str, Any]] = {"namespaces": ["shops"], "service_accounts": ["parcels-web"]}
ENVIRONMENT: Final[dict[str, Any]] = {
    "environment": "staging",
    "owner": "platform-team",
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
}
#: Deployment as a team has it: another container beside the application's, and files of its own.
DEPLOYMENT: Final[dict[str, Any]] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "parcels", "namespace": "shops"},
    "spec": {
        "selector": {"matchLabels": {"app": "parcels"}},
        "template": {
            "metadata": {"labels": {"app": "parcels"}},
            "spec": {
                "initContainers": [{"name": "migrate", "image": "parcels:1"}],
                "containers": [
                    {
                        "name": "parcels",
                        "image": "parcels:1",
                        "args": ["old"],
                        "env": [{"name": "PORT", "value": "8000"}],
                        "volumeMounts": [{"name": "uploads", "mountPath": "/uploads"}],
                    },
                    {"name": "proxy", "image": "proxy:1"},
                ],
                "volumes": [{"name": "uploads", "emptyDir": {}}],
            },
        },
    },
}


def declare_pod(
    folder: Path,
    pem: str,
    *,
    agent: dict[str, Any] | None = None,
    login: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    address: str = "https://vault.example.com:8200",
    host: str = "https://cluster.example.com:6443",
    keys: dict[str, Any] | None = None,
    **deployment: Any,
) -> Declaration:
    """Write the declaration of the service ``parcels`` in staging to *folder*, and load it."""
    logins = login or {"kubernetes": KUBERNETES}
    auth = {
        "kubernetes": {"host": host, "ca": "cluster.pem"},
        "jwt": {"issuer": "https://cluster.example.com", "jwks": f"{host}/openid/v1/jwks"},
        "cert": {"ca": "cluster.pem"},
    }
    environment = {
        **ENVIRONMENT,
        "vault": {"address": address},
        "auth": {name: auth[name] for name in logins if name in auth},
        "agent": agent or AGENT,
        "services": {"parcels": {"login": logins, **deployment}},
    }
    changed = {**CONFIG, **(config or {})}
    kept = {key: value for key, value in changed.items() if value is not None}
    service = {**SERVICE, "config": kept, "keys": keys or {}}
    files = {"environments/cluster.pem": pem, "templates/parcels/app.json.j2": TEMPLATE}
    return write_declaration(folder, environment, service, files=files)
