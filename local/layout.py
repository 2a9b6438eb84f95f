"""Paths of a local deployment's files, all below one private folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app_integration._internal.input_file import read_input
from app_integration.names import Scope
from local.files import ensure_private_folder
from vault import owned_folder
from vault.owned_folder import FolderKind

#: Longest text in the file of the format, in bytes.
MAX_FORMAT: Final = 64
#: Longest path of a socket, in bytes, on macOS; Linux allows 107.
MAX_SOCKET_PATH: Final = 103
#: Folders that docker-compose.yml mounts below the root, before the first command is run.
_VOLUMES: Final = frozenset(
    ("agent", "config", "postgres", "redis", "service-credentials", "smtp", "vault")
)


def _is_earlier(root: Path, names: Collection[str]) -> bool:
    """Return whether there is a deployment, or only what commands put there before the first."""
    before = {"given", "audit", *filter(partial(_has_no_file, root), _VOLUMES)}
    if all(name in before or name.startswith("audit-") for name in names):
        return True
    if "format" not in names:
        return {"passwords", "run"} <= {*names}
    try:
        return read_input(root / "format", MAX_FORMAT).strip().isdigit()
    except OSError:
        return False


def _has_no_file(root: Path, name: str) -> bool:
    return not any(files for _, _, files in os.walk(root / name))


DEPLOYMENT: Final = FolderKind("deployment", "local deployment", "--root", _is_earlier)


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below *root*, the folder ``.strongroom`` of a repository."""

    root: Path

    def create(self) -> None:
        """Create the folders, each with mode 0700.

        PostgreSQL's folder is not among them, because for root it is outside of this one. See
        :mod:`.servers.postgres_home`.
        """
        owned_folder.check(self.root, DEPLOYMENT)
        ensure_private_folder(self.root)
        owned_folder.claim(self.root, DEPLOYMENT)
        folders = (
            self.logs,
            self.run,
            self.passwords,
            self.people,
            self.databases,
            self.administrators,
            self.environments,
            self.vault,
            self.vault_data,
            self.audit,
            self.redis,
            self.aws,
            self.smtp,
            self.mail,
            self.mail_accounts,
            self.credentials,
            self.service_credentials,
            self.agents,
            self.configs,
        )
        for folder in folders:
            ensure_private_folder(folder)

    @property
    def dev_env(self) -> Path:
        """Return the file of the first service's variables for a shell, without a secret value."""
        return self.root / "dev.env"

    @property
    def environments(self) -> Path:
        """Return the folder of the services' variables for a shell, ``<service>.env``."""
        return self.root / "env"

    def service_env(self, service: str) -> Path:
        """Return the file of *service*'s variables for a shell. It contains no secret value."""
        return self.environments / f"{service}.env"

    @property
    def runtime(self) -> Path:
        """Return the file with the name of the runtime, ``embedded``, ``docker`` or ``moto``."""
        return self.root / "runtime"

    @property
    def format(self) -> Path:
        """Return the file with the number of the folder's format."""
        return self.root / "format"

    @property
    def ports(self) -> Path:
        """Return the file with the ports that the deployment was last started on."""
        return self.root / "ports.json"

    @property
    def status_record(self) -> Path:
        """Return the file with what ``status`` looks at, apart from processes and ports."""
        return self.root / "status.json"

    @property
    def logs(self) -> Path:
        """Return the folder of the processes' logs, ``<process>.log``."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Return the folder of the processes' records, ``<process>.json``, and of the lock."""
        return self.root / "run"

    @property
    def passwords(self) -> Path:
        """Return the folder of passwords generated for this deployment, one file each."""
        return self.root / "passwords"

    @property
    def people(self) -> Path:
        """Return the folder of the passwords of people's logins, one file each."""
        return self.passwords / "people"

    @property
    def databases(self) -> Path:
        """Return the folder that contains a folder of database passwords for each service."""
        return self.passwords / "database"

    def database_passwords(self, service: str) -> Path:
        """Return the folder of the passwords of *service*'s database users."""
        return self.databases / service

    @property
    def administrators(self) -> Path:
        """Return the folder of the administrators' URLs of the team's servers, ``<host:port>``."""
        return self.passwords / "administrators"

    @property
    def given(self) -> Path:
        """Return the folder of operator-provided values, which need not exist.

        Each value is a file, named by its API path.
        """
        return self.root / "given"

    @property
    def vault(self) -> Path:
        """Return the folder of OpenBao's configuration, seal key, recovery key, data and logs."""
        return self.root / "vault"

    @property
    def vault_configuration(self) -> Path:
        """Return OpenBao's configuration, which each start writes."""
        return self.vault / "server.hcl"

    @property
    def vault_data(self) -> Path:
        """Return the folder of OpenBao's raft storage."""
        return self.vault / "data"

    @property
    def vault_socket(self) -> Path | None:
        """Return the socket of OpenBao's API, or None if its path is not possible.

        That is so if the path is too long for a socket, or is not the same in a URL.
        """
        path = self.vault / "api.sock"
        is_short = len(os.fsencode(path)) <= MAX_SOCKET_PATH
        return path if is_short and quote(os.fsencode(path)) == str(path) else None

    @property
    def audit(self) -> Path:
        """Return the folder of OpenBao's audit logs."""
        return self.vault / "audit"

    @property
    def audit_logs(self) -> tuple[Path, Path]:
        """Return the paths of the two audit logs. Each contains every request."""
        return self.audit / "audit-1.log", self.audit / "audit-2.log"

    @property
    def postgres(self) -> Path:
        """Return PostgreSQL's folder; for root it is a link to one that another user can enter."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """Return the folder of Valkey's configuration and data."""
        return self.root / "redis"

    @property
    def aws(self) -> Path:
        """Return the working folder of the stand-in for AWS, which stores nothing."""
        return self.root / "aws"

    @property
    def smtp(self) -> Path:
        """Return the working folder of the SMTP sink."""
        return self.root / "smtp"

    @property
    def mail(self) -> Path:
        """Return the folder of the mail that was sent, ``*.eml``."""
        return self.smtp / "mail"

    @property
    def mail_accounts(self) -> Path:
        """Return the folder of the mail accounts' passwords, one file for each service."""
        return self.smtp / "accounts"

    @property
    def unchecked(self) -> Path:
        """Return the file with the services whose model is not in the containers' image."""
        return self.configs / "unchecked"

    @property
    def credentials(self) -> Path:
        """Return the folder of the operators' credentials, ``<role>/role-id`` and ``secret-id``."""
        return self.root / "credentials"

    def role_id(self, role: str) -> Path:
        """Return the file with the role-id of the operators' AppRole *role*."""
        return self.credentials / role / "role-id"

    def secret_id(self, role: str) -> Path:
        """Return the file with the secret-id of the operators' AppRole *role*."""
        return self.credentials / role / "secret-id"

    @property
    def service_credentials(self) -> Path:
        """Return the folder of the services' AppRole credentials.

        It is apart from the operators', because the agents' container mounts it.
        """
        return self.root / "service-credentials"

    def service_role_id(self, role: str) -> Path:
        """Return the file with the role-id of a service's AppRole *role*."""
        return self.service_credentials / role / "role-id"

    def service_secret_id(self, role: str) -> Path:
        """Return the file with the secret-id of a service's AppRole *role*."""
        return self.service_credentials / role / "secret-id"

    @property
    def agents(self) -> Path:
        """Return the folder that contains a folder for each agent."""
        return self.root / "agent"

    def agent(self, scope: Scope) -> Path:
        """Return the folder of configuration, templates and secret-id of the agent of *scope*."""
        return self.agents / str(scope)

    @property
    def configs(self) -> Path:
        """Return the folder that contains a folder of config files for each service."""
        return self.root / "config"

    def config(self, service: str, file: str = "app.yaml") -> Path:
        """Return the config file that *service* reads."""
        return self.configs / service / file

    def staged_config(self, service: str, file: str = "app.yaml") -> Path:
        """Return the file that the agent renders for *service*, before its check and delivery."""
        return self.configs / service / "staging" / file
