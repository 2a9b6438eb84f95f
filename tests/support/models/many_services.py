"""A declaration of any number of services in dev, none of which is the example store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ENVIRONMENT: dict[str, Any] = {
    "environment": "dev",
    "owner": "platform-team",
    "vault": {"address": "http://127.0.0.1:8200", "audit_device": "audit-1"},
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
}
_TEMPLATE = 'jwt:\n  secret: {{ secret("signing-key") }}\n'
#: Sections that some services lack, by the remainder of their number.
_LACKING: dict[int, tuple[str, ...]] = {1: ("keys",), 2: ("database",), 3: ("config",)}


def service_names(count: int) -> list[str]:
    return [f"part-{number:02d}" for number in range(count)]


def declare_services(folder: Path, count: int) -> list[str]:
    """Write a declaration of *count* services to *folder*, with templates, and return their names.

    The first of four services has all sections. The second lacks keys, the third a database, and
    the fourth a config.
    """
    for part in ("services", "environments", "templates"):
        (folder / part).mkdir(parents=True)
    names = service_names(count)
    for number, name in enumerate(names):
        document = _service(name, _LACKING.get(number % 4, ()))
        (folder / "services" / f"{name}.yaml").write_text(json.dumps(document))  # JSON is YAML
        (folder / "templates" / name).mkdir()
        (folder / "templates" / name / "app.yaml.j2").write_text(_TEMPLATE)
    write_environment(folder, names)
    return names


def write_environment(folder: Path, names: list[str]) -> None:
    """Write the environment's file of *folder*, in which the services *names* run."""
    services = {}
    for name in names:
        document = json.loads((folder / "services" / f"{name}.yaml").read_text())
        services[name] = {"database": "127.0.0.1:15432"} if "database" in document else {}
    document = {**_ENVIRONMENT, "services": services}
    (folder / "environments" / "dev.yaml").write_text(json.dumps(document))


def _service(name: str, lacking: tuple[str, ...]) -> dict[str, Any]:
    roles = {"default": {"ttl": "1h", "max_ttl": "24h"}, "reports": {"ttl": "5m", "max_ttl": "1h"}}
    document = {
        "service": name,
        "owner": "parts-team",
        "description": "Makes parts.",
        "secrets": {
            "signing-key": {"source": "generated", "length": 48},
            "database-url": {"source": "given"},
            "partner-token": {"source": "given"},
        },
        "keys": {"pii": {"allow": ["encrypt", "decrypt"]}},
        "database": {"engine": "postgresql", "name": name.replace("-", "_"), "roles": roles},
        "config": {"template": "app.yaml.j2", "model": "examples.service_config:ServiceConfig"},
    }
    return {key: value for key, value in document.items() if key not in lacking}
