"""Configuration file of the agent, ``agent.hcl``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.auto_auth import AutoAuth
from app_integration.names import Scope
from vault.runtime.servers.hcl import quote

EXEC_TIMEOUT = 30  # seconds for the command; its own deadline is shorter


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivery of one rendered file to an application.

    Attributes:
        template: The compiled template.
        staging: The path that the agent renders to.
        live: The path that the application reads.
        model: The model ``package.module:Class`` that validates the file before it goes live.

    """

    template: Path
    staging: Path
    live: Path
    model: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the delivery in parsed JSON, see :meth:`to_json`.

        Raises:
            KeyError: If a key is missing. It names the key.

        """
        return cls(
            template=Path(data["template"]),
            staging=Path(data["staging"]),
            live=Path(data["live"]),
            model=data["model"],
        )

    def to_json(self) -> dict[str, str]:
        """Return a JSON object that :meth:`from_json` reads."""
        return {
            "template": str(self.template),
            "staging": str(self.staging),
            "live": str(self.live),
            "model": self.model,
        }

    def command(self, python: Path) -> list[str]:
        """Return the command that delivers the file.

        Args:
            python: The interpreter. It runs in the project's folder.

        """
        arguments = ["--staging", str(self.staging), "--live", str(self.live)]
        program = [str(python), "-m", "app_integration", "deliver"]
        return [*program, *arguments, "--model", self.model, "--never-fail"]


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Settings from which the agent's configuration is rendered.

    Attributes:
        scope: The service and environment, whose role the agent logs in as.
        vault_addr: Address of the server.
        login: The auto-auth method.
        python: The interpreter that runs ``deliver``.
        deliveries: The files to render and deliver.
        vault_cacert: PEM file of the CA that signed the server's certificate; None for the
            system's CAs.
        render_interval: Seconds after which the agent notices a changed KV secret.
        retries: Number of retries of one request. The agent exits when they are used up.

    """

    scope: Scope
    vault_addr: str
    login: AutoAuth
    python: Path
    deliveries: tuple[Delivery, ...]
    vault_cacert: Path | None = None
    render_interval: int = 300
    retries: int = 5


def render_agent_config(settings: AgentSettings) -> str:
    """Return the text of ``agent.hcl``.

    Raises:
        ConfigurationError: If a path is not valid Unicode.

    """
    return (
        _environment()
        .get_template("agent.hcl.j2")
        .render(
            vault_addr=settings.vault_addr,
            vault_cacert=settings.vault_cacert,
            retries=settings.retries,
            method=settings.login.method,
            mount_path=f"auth/{settings.login.method}",
            login=settings.login.config(settings.scope),
            render_interval=f"{settings.render_interval}s",
            exec_timeout=f"{EXEC_TIMEOUT}s",
            python=settings.python,
            deliveries=settings.deliveries,
        )
    )


def _quote_unless_safe(value: object) -> str:
    """Return *value* quoted for HCL, except for a key, which the template marks as safe."""
    return str(value) if isinstance(value, Markup) else quote(value)


def _environment() -> Environment:
    return Environment(  # noqa: S701 (HCL, not HTML: finalize does the quoting)
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        finalize=_quote_unless_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
