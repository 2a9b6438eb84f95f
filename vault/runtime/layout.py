"""Where the files of a local deployment lie: everything below one private folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app_integration.names import Scope
from vault.runtime.files import private_folder


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below *root*, the folder ``.strongroom`` of an operator's clone."""

    root: Path

    def create(self) -> None:
        """Make the folders, 0700 each. PostgreSQL makes its own: as root it lies elsewhere.

        Raises:
            ConfigurationError: one of them is a symlink, no folder, or belongs to another user.

        """
        folders = (
            self.root,
            self.logs,
            self.run,
            self.passwords,
            self.vault,
            self.vault_data,
            self.audit,
            self.redis,
            self.smtp,
            self.mail,
            self.credentials,
            self.agents,
            self.configs,
        )
        for folder in folders:
            private_folder(folder)

    @property
    def dev_env(self) -> Path:
        """Variables for a shell; holds no secret value."""
        return self.root / "dev.env"

    @property
    def runtime(self) -> Path:
        """Which runtime the deployment is on: ``embedded`` or ``docker``."""
        return self.root / "runtime"

    @property
    def logs(self) -> Path:
        """What each process printed: ``<process>.log``."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Which processes run: ``<process>.json``."""
        return self.root / "run"

    @property
    def passwords(self) -> Path:
        """Passwords made for this deployment, one file each."""
        return self.root / "passwords"

    @property
    def given(self) -> Path:
        """Values that only a person can give, in files named as their API path; may be absent."""
        return self.root / "given"

    @property
    def vault(self) -> Path:
        """OpenBao's configuration, seal key, recovery key, data and audit logs."""
        return self.root / "vault"

    @property
    def vault_data(self) -> Path:
        """OpenBao's raft storage."""
        return self.vault / "data"

    @property
    def audit(self) -> Path:
        """Folder of the server's audit logs."""
        return self.vault / "audit"

    @property
    def audit_logs(self) -> tuple[Path, Path]:
        """The two audit logs; each holds every request."""
        return self.audit / "audit-1.log", self.audit / "audit-2.log"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's folder; as root a link to where another user can reach it."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """Valkey's configuration and data."""
        return self.root / "redis"

    @property
    def smtp(self) -> Path:
        """Working folder of the SMTP sink."""
        return self.root / "smtp"

    @property
    def mail(self) -> Path:
        """Messages that were sent: ``*.eml``."""
        return self.smtp / "mail"

    @property
    def credentials(self) -> Path:
        """AppRole credentials: ``<role>/role-id`` and ``<role>/secret-id``."""
        return self.root / "credentials"

    def role_id(self, role: str) -> Path:
        """The role-id of AppRole *role*."""
        return self.credentials / role / "role-id"

    def secret_id(self, role: str) -> Path:
        """The secret-id of AppRole *role*."""
        return self.credentials / role / "secret-id"

    @property
    def agents(self) -> Path:
        """One folder an agent."""
        return self.root / "agent"

    def agent(self, scope: Scope) -> Path:
        """The agent of *scope*: its configuration, templates and secret-id."""
        return self.agents / str(scope)

    @property
    def configs(self) -> Path:
        """One folder a service."""
        return self.root / "config"

    def config(self, service: str) -> Path:
        """The config file that *service* reads."""
        return self.configs / service / "app.yaml"

    def staged_config(self, service: str) -> Path:
        """Where the agent renders it, before it is checked and delivered."""
        return self.configs / service / "staging" / "app.yaml"
