"""Secrets of one service on a real Vault and on moto's server, for copies between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from app_integration.aws.connection import AwsConnection
from app_integration.names import VALUE_KEY
from app_integration.session.session import Session
from app_integration.sources.aws import CURRENT
from aws.desired import secret_resources as aws_resources
from aws.secret_copy.aws_secrets import AwsSecrets
from aws.secret_copy.backend import SecretBackend
from aws.secret_copy.comparison import Comparison, State
from aws.secret_copy.secret_copy import SecretCopy, copied_secrets
from aws.secret_copy.vault_secrets import VaultSecrets
from tests.support.models.aws_declared import SCOPE, SERVICE, declare_on_aws
from tests.support.servers.provisioning_site import ProvisioningSite
from vault.declare.declaration import Declaration
from vault.reconcile.desired.desired import secret_resources as vault_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource, read_data
from vault.reconcile.resources.kv import data_path, metadata_path
from vault.reconcile.resources.ownership import Owner

#: The secrets of the declaration, and what the tests write first.
PASSWORD: Final = "k3y-of-tokens"
PART: Final = "p@ss/word"
LOGIN: Final[Mapping[str, Any]] = {"user": "shop", "pin": 7, "hosts": ["a", "b"], "tls": True}
URL: Final = "smtp://shop:p%40ss%2Fword@mail"
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "password": {"value": PASSWORD},
    "smtp-password": {"value": PART},
    "login": LOGIN,
    "smtp-url": {"value": URL},
}
#: Texts that must not be in any output.
HIDDEN: Final = (PASSWORD, PART, "p%40ss", '"pin"')


class CopySite:
    """A service with its declared secrets on both backends."""

    def __init__(self, session: Session, aws: ProvisioningSite, declaration: Declaration) -> None:
        self.session = session
        self.aws = aws
        self.declaration = declaration
        self.owner = Owner.of(declaration.environment(SCOPE.environment))

    def backends(
        self, session: Session | None = None, connection: AwsConnection | None = None
    ) -> dict[str, SecretBackend]:
        """Return both backends by name, by default with the connections of the site."""
        on_aws = aws_resources(self.declaration, SCOPE, Inputs())
        return {
            "vault": VaultSecrets(session or self.session, self.owner, self.vault_resources()),
            "aws": AwsSecrets(connection or self.aws.connection, self.owner, on_aws),
        }

    def vault_resources(self) -> list[Resource]:
        return [*vault_resources(self.declaration, SCOPE, Inputs(), self.owner)]

    def copy(self, source: str, target: str, **sessions: Any) -> SecretCopy:
        found = self.backends(**sessions)
        secrets = [*copied_secrets(self.declaration, SCOPE)]
        return SecretCopy(found[source], found[target], secrets)

    def compare(self, source: str, target: str) -> dict[str, Comparison]:
        found = self.copy(source, target).compare()
        return {each.secret.path.rpartition("/")[2]: each for each in found}

    def states(self, source: str, target: str) -> dict[str, State]:
        return {name: each.state for name, each in self.compare(source, target).items()}

    def run(self, source: str, target: str, **sessions: Any) -> int:
        """Copy what is missing or different, as the command does, and return how many."""
        copy = self.copy(source, target, **sessions)
        found = copy.compare()
        assert State.REFUSED not in {each.state for each in found}
        written = [each for each in found if each.state in {State.MISSING, State.DIFFERENT}]
        for each in written:
            copy.write(each)
        return len(written)

    def put(self, name: str, fields: Mapping[str, Any]) -> None:
        """Write a version on Vault."""
        self.session.post(data_path(SCOPE.secret(name)), {"data": fields})

    def fill(self) -> None:
        for name, fields in VALUES.items():
            self.put(name, fields)

    def fields(self) -> dict[str, Any]:
        found = {name: read_data(self.session, data_path(SCOPE.secret(name))) for name in VALUES}
        return {name: data["data"] for name, data in found.items() if data}

    def texts(self) -> dict[str, str]:
        return {name: self.aws.value(name) for name in VALUES}

    def versions(self, backend: str) -> dict[str, int]:
        return {name: self._count(backend, SCOPE.secret(name)) for name in VALUES}

    def _count(self, backend: str, path: str) -> int:
        if backend == "vault":
            data = read_data(self.session, metadata_path(path))
            return data["current_version"] if data else 0
        try:
            self.aws.secrets.describe_secret(SecretId=path)
        except self.aws.secrets.exceptions.ResourceNotFoundException:
            return 0
        found = self.aws.secrets.list_secret_version_ids(SecretId=path, IncludeDeprecated=True)
        return len(found["Versions"])

    def values(self, backend: str) -> dict[str, Any]:
        """Return the text or the fields of each secret; None if it has no value."""
        found = {name: self.backends()[backend].read(SCOPE.secret(name)).entry for name in VALUES}
        return {
            name: None if entry is None else entry.fields().get(VALUE_KEY, entry.fields())
            for name, entry in found.items()
        }

    def write(self, name: str, value: str, *, backend: str) -> None:
        """Write a text as another writer does."""
        if backend == "vault":
            self.put(name, {VALUE_KEY: value})
            return
        path = SCOPE.secret(name)
        seen = self.aws.current(path)
        # Labels are moved explicitly, because moto has two current versions otherwise.
        version = self.aws.secrets.put_secret_value(
            SecretId=path, SecretString=value, VersionStages=["THEIRS"]
        )["VersionId"]
        self.aws.secrets.update_secret_version_stage(
            SecretId=path,
            VersionStage=CURRENT,
            MoveToVersionId=version,
            RemoveFromVersionId=seen,
        )

    def erase(self, backend: str, *names: str) -> None:
        """Erase all secrets on one backend, or *names* only."""
        for name in names or VALUES:
            path = SCOPE.secret(name)
            if backend == "vault":
                self.session.delete(metadata_path(path))
                continue
            try:
                self.aws.secrets.delete_secret(SecretId=path, ForceDeleteWithoutRecovery=True)
            except self.aws.secrets.exceptions.ResourceNotFoundException:
                continue


def declare(folder: Path) -> Declaration:
    """Return a declaration of the secrets in :data:`VALUES`."""
    secrets = {**SERVICE["secrets"], "login": {"source": "given"}}
    return declare_on_aws(folder, service={"secrets": secrets, "keys": {}})


@contextmanager
def copy_site(session: Session, aws: ProvisioningSite, folder: Path) -> Iterator[CopySite]:
    site = CopySite(session, aws, declare(folder))
    site.erase("vault")
    try:
        yield site
    finally:
        site.erase("vault")
