"""The agent's configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.auto_auth import AutoAuth
from app_integration.names import Scope
from vault.runtime.servers.hcl import quoted

EXEC_TIMEOUT = 30  # seconds; deliver bounds itself below it


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file on its way to an application.

    Attributes:
        template: the compiled template.
        staging: where the agent renders it.
        live: where the application reads it.
        model: ``package.module:Class`` that a file must fit to go live.

    """

    template: Path
    staging: Path
    live: Path
    model: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The delivery that parsed JSON describes; a KeyError names what is missing."""
        return cls(
            template=Path(data["template"]),
            staging=Path(data["staging"]),
            live=Path(data["live"]),
            model=data["model"],
        )

    def to_json(self) -> dict[str, str]:
        """What :meth:`from_json` reads."""
        return {
            "template": str(self.template),
            "staging": str(self.staging),
            "live": str(self.live),
            "model": self.model,
        }

    def command(self, python: Path) -> list[str]:
        """The command that delivers it, run by *python* in the project's folder."""
        arguments = ["--staging", str(self.staging), "--live", str(self.live)]
        program = [str(python), "-m", "app_integration", "deliver"]
        return [*program, *arguments, "--model", self.model, "--never-fail"]


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What an agent's configuration depends on.

    Attributes:
        scope: whose role it logs in as.
        login: by which method.
        python: the interpreter that runs ``deliver``.
        render_interval: seconds until a changed KV secret is seen.
        retries: of one request; the agent ends once they are used up.

    """

    scope: Scope
    vault_addr: str
    login: AutoAuth
    python: Path
    deliveries: tuple[Delivery, ...]
    vault_cacert: Path | None = None
    render_interval: int = 300
    retries: int = 5


def render(settings: AgentSettings) -> str:
    """The text of ``agent.hcl``.

    Raises:
        ConfigurationError: a path that isn't Unicode.

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


def _written(value: object) -> str:
    """*value* quoted, unless the template says that it is safe: a key that is our own."""
    return str(value) if isinstance(value, Markup) else quoted(value)


def _environment() -> Environment:
    return Environment(  # noqa: S701 (HCL, not HTML: finalize quotes for it)
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
