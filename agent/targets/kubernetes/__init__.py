"""Manifests of Kubernetes: a component of Kustomize that adds the agent to a Deployment.

The first credential is the token of the pod's service account. Kubernetes writes and renews it, so
no operator hands over or renews a credential.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent.file_templates import render
from agent.quoting import escape_word, quote_manifest
from agent.targets.host import Host, require_command
from agent.targets.kubernetes.pod_access import login_files, network_policy
from agent.targets.kubernetes.pod_login import PodLogin, pod_login
from agent.targets.settings import AGENT_CONFIG, Places, TargetSettings, image_python
from app_integration._internal.server_urls import port_of
from app_integration.config.watch_process import FIRST_FILE_SECONDS
from app_integration.errors import ConfigurationError
from vault.declare.schema.model import Config

#: Image of the agent, as in ``docker-compose.yml``.
IMAGE: Final = "openbao/openbao:2.7.2"
#: User of both containers. With one user, the rendered file can be 0600.
USER: Final = 10001
_AGENT: Final = Path("/etc/strongroom")
_STAGING: Final = Path("/run/strongroom/staging")
# A folder in the volume, because that of the volume itself has mode 0777, or 2777 with fsGroup.
_LIVE: Final = Path("/run/strongroom/live")
_LIVE_FOLDER: Final = _LIVE / "config"
_RECORDS: Final = Path("/var/log/strongroom")
_PROBE_PERIOD: Final = 5  # seconds


def build(settings: TargetSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    require_command(host)
    login = pod_login(settings)
    _check_cacert(host.cacert, login)
    places = Places(_AGENT, _STAGING / settings.config.file, _AGENT, host.cacert)
    values = _values(settings, host, login, places)
    rendered = {
        name: render(f"targets/kubernetes/{name}.j2", quote_manifest, values)
        for name in ("kustomization.yaml", "deployment.yaml", "injector.yaml")
    }
    return {
        **settings.agent_files(places),
        **rendered,
        **login_files(str(settings.scope), login),
        "network-policy.yaml": _network_policy(settings),
    }


def _check_cacert(cacert: Path | None, login: PodLogin) -> None:
    """Reject a file below a mount of the agent, where no other file can be mounted."""
    mounts = (_AGENT, _STAGING, login.token_file.parent)
    if cacert is not None and any(mount in cacert.parents for mount in mounts):
        raise ConfigurationError(
            f"{cacert} is in a folder of the agent; use another --cacert, such as "
            "/etc/strongroom-ca/ca.pem"
        )


def _values(
    settings: TargetSettings, host: Host, login: PodLogin, places: Places
) -> dict[str, Any]:
    """Return the variables of the templates."""
    folder = host.folder or Path("/srv") / settings.scope.service
    staging, live = _STAGING / settings.config.file, _LIVE_FOLDER / settings.config.file
    python = image_python(settings.config)
    start = settings.watch_command(python, staging, live)
    return {
        **_agent_values(settings, host, login),
        "agent_start": [escape_word(word) for word in settings.agent_command("bao", places)],
        "service": settings.scope.service,
        "environment": settings.scope.environment,
        "user": USER,
        "folder": folder,
        "python": python,
        "live": live,
        "variables": {**settings.variables, **settings.audit_variables(_RECORDS)},
        "records": settings.audit_key and _RECORDS,
        "live_volume": _LIVE,
        "start": [escape_word(word) for word in start],
        "command": [escape_word(word) for word in host.command],
        "probe": startup_probe(settings.config),
    }


def _agent_values(settings: TargetSettings, host: Host, login: PodLogin) -> dict[str, Any]:
    """Return the variables of the agent, and of the one that the injector adds."""
    return {
        "role": settings.scope,
        "image": IMAGE,
        "address": settings.addresses[0],
        "method": settings.agent.login,
        "account": login.account,
        "audience": login.audience,
        "token_folder": login.token_file.parent,
        "token_name": login.token_file.name,
        "cacert": host.cacert,
        "agent_folder": _AGENT,
        "agent_config": AGENT_CONFIG,
        "config_file": settings.config.file,
        "template": settings.template,
        "staging": _STAGING,
        "render_interval": f"{settings.agent.render_interval}s",
    }


def startup_probe(config: Config) -> dict[str, object]:
    """Return the startup probe, which allows the wait for a first file and its trial."""
    seconds = FIRST_FILE_SECONDS + config.within
    return {
        "page": _health_page(config.health),
        "period": _PROBE_PERIOD,
        "failures": math.ceil(seconds / _PROBE_PERIOD),
    }


def _health_page(url: str | None) -> dict[str, object] | None:
    """Return the application's health page, which Kubernetes requests at the pod's address."""
    if url is None:
        return None
    page = urlsplit(url)
    query = f"?{page.query}" if page.query else ""
    path = (page.path or "/") + query
    return {"path": path, "port": port_of(page), "scheme": page.scheme.upper()}


def _network_policy(settings: TargetSettings) -> str:
    """Return the policy of the application's pods."""
    service, redis = settings.scope.service, settings.deployment.redis
    used = (settings.database, redis.address if redis else None)
    return network_policy(
        f"strongroom-{service}",
        ("strongroom/service", service),
        settings.addresses,
        [each for each in used if each is not None],
    )
