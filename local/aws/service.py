"""One service of a local deployment on AWS: its variables, and the values that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app_integration._internal.arns import KMS_KEYS
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.settings import Settings, from_environment
from local.access import Access
from vault.declare.application_variables import application_variables, setting_variables
from vault.declare.declaration import Declaration

#: Id and key of the identity at moto, which accepts any. They are not secret.
ACCESS_KEY: Final = ("local", "local")


class LocalAwsService:
    """Service of a local deployment on AWS."""

    def __init__(self, access: Access, declaration: Declaration) -> None:
        self.access = access
        self.declaration = declaration
        self.kms_keys: Sequence[str] = ()

    @property
    def scope(self) -> Scope:
        """Return the service and its environment."""
        return self.access.scope

    @property
    def live(self) -> Path | None:
        """Return the config file that the service reads, or None if it declares none."""
        config = self.declaration.service(self.scope.service).config
        return self.access.layout.config(self.scope.service, config.file) if config else None

    def settings(self) -> Settings:
        """Return the settings that the service reads from its variables."""
        return from_environment(self.variables())

    def provided_values(self, shared: Secret | None) -> dict[str, Secret]:
        """Return the URLs and passwords of the local servers, by the path of their secret."""
        values = self.access.provided_secrets()
        if shared is not None:
            values["database-url"] = shared
        declared = self.declaration.secrets(self.scope)
        mount = self.declaration.environment(self.scope.environment).mounts.kv
        return {
            f"{mount}/{self.scope.secret(name)}": value
            for name, value in values.items()
            if name in declared
        }

    def variables(self) -> dict[str, str]:
        """Return the service's variables. None is a secret value."""
        account = self.declaration.account(self.scope.environment)
        key_id, key = ACCESS_KEY
        return {
            **setting_variables(self.declaration, self.scope),
            "SECRETS_BACKEND": "aws",
            **application_variables(self.declaration, self.scope, "development"),
            "AWS_REGION": account.region,
            "AWS_ENDPOINT_URL": self.access.ports.aws_address,
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": key,
            **({KMS_KEYS: ",".join(self.kms_keys)} if self.kms_keys else {}),
            **({"STRONGROOM_CONFIG": str(self.live)} if self.live else {}),
            "STRONGROOM_AUDIT": "each",
            "STRONGROOM_AUDIT_FILE": str(self.access.layout.logs / "access.jsonl"),
        }
