"""Configuration file of the agent, ``agent.hcl``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from agent.auto_auth import AutoAuth
from agent.file_templates import render
from agent.rendered_file import RenderedFile
from app_integration.names import Scope
from vault.reconcile.hcl.strings import quote


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Settings from which the agent's configuration is rendered.

    *render_interval* is in seconds. The agent exits when the *retries* of one request are used up.
    """

    scope: Scope
    vault_addr: str
    login: AutoAuth
    files: tuple[RenderedFile, ...]
    vault_cacert: Path | None = None
    render_interval: int = 300
    retries: int = 5
    perms: str = "0600"


def render_agent_config(settings: AgentSettings) -> str:
    """Return the text of ``agent.hcl``."""
    values = {
        "vault_addr": settings.vault_addr,
        "vault_cacert": settings.vault_cacert,
        "retries": settings.retries,
        "method": settings.login.method,
        "mount_path": f"auth/{settings.login.mount}",
        "login": settings.login.config(settings.scope),
        "render_interval": f"{settings.render_interval}s",
        "perms": settings.perms,
        "files": settings.files,
    }
    return render("agent.hcl.j2", _quote_unless_safe, values)


def _quote_unless_safe(value: object) -> str:
    """Return *value* quoted for HCL, except for a key, which the template marks as safe."""
    return str(value) if isinstance(value, Markup) else quote(value)
