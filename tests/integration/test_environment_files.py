"""Environments that are only files, from the declaration through the server to the application."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.client import Client
from app_integration.errors import AccessDenied, ConfigurationError, InvalidName, SecretDeleted
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from app_integration.settings import from_environment
from policies.render import render_policies
from tests.support.processes.shell import Shell
from tests.support.servers.dev_server import AUTHORITY, dev_server, root
from vault.declare.load import load
from vault.reconcile.credentials import bootstrap, ensure_credential
from vault.reconcile.desired.desired import apply_role_resources, desired_resources
from vault.reconcile.inputs import Inputs

pytestmark = pytest.mark.requires("embedded")

APPLY: Final = "strongroom-apply"
QA, EU, PROD = (Scope("shop", Environment(name)) for name in ("qa", "prod-eu", "prod"))
SERVICE: Final[dict[str, Any]] = {
    "service": "shop",
    "owner": "shop-team",
    "description": "Sells things.",
    "secrets": {
        "token": {"source": "generated", "length": 48},
        "mail-password": {"source": "given"},
        "live-key": {"source": "generated", "length": 48, "environments": ["prod", "prod-eu"]},
    },
    "keys": {"pii": {"allow": ["encrypt", "decrypt"]}},
}


def environment_file(scope: Scope, address: str, **keys: str) -> str:
    """Return the content of an environment file. JSON is YAML."""
    content = {
        "environment": scope.environment,
        "owner": "platform-team",
        "vault": {"address": address},
        "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
        "agent": {"render_interval": "5m"},
        "services": {"shop": {}},
    }
    return json.dumps({**content, **keys})


@dataclass
class Site:
    """A server, a declaration in a folder, and the operator's command line."""

    folder: Path
    address: str
    strongroom: Shell

    def application(self, environment: str) -> dict[str, str]:
        """Return the variables of the application, with secrets of a developer besides."""
        dotenv = self.folder / ".env"
        dotenv.write_text("MAIL_PASSWORD=from-dotenv\nLIVE_KEY=from-dotenv\n")
        credential = self.folder / f"shop-{environment}"
        return {
            "STRONGROOM_SERVICE": "shop",
            "ENVIRONMENT": environment,
            "VAULT_ADDR": self.address,
            "VAULT_CACERT": str(self.folder / AUTHORITY),
            "STRONGROOM_ROLE_ID_FILE": str(credential / "role-id"),
            "STRONGROOM_SECRET_ID_FILE": str(credential / "secret-id"),
            "STRONGROOM_AUDIT_FILE": str(self.folder / "access.jsonl"),
            "STRONGROOM_DOTENV": str(dotenv),
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a server, and declare three environments on it."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("services", "environments"):
        (folder / name).mkdir()
    (folder / "services/shop.yaml").write_text(json.dumps(SERVICE))
    with dev_server(folder) as address:
        eu, prod = {"like": "prod", "deployment": "shop-eu"}, {"deployment": "shop-prod"}
        for scope, keys in ((QA, {}), (EU, eu), (PROD, prod)):
            file = folder / f"environments/{scope.environment}.yaml"
            file.write_text(environment_file(scope, address, **keys))
        declared = load(folder, folder)
        policies = render_policies(declared, QA.environment)
        resources = desired_resources(declared, QA.environment, policies, Inputs())
        with root(address, folder) as session:
            needed = apply_role_resources(declared.environment(QA.environment), resources, None)
            bootstrap(session, needed, folder / APPLY)
        variables = {
            "STRONGROOM_DECLARATION": str(folder),
            "STRONGROOM_OPERATOR_ROLE_ID_FILE": str(folder / APPLY / "role-id"),
            "STRONGROOM_OPERATOR_SECRET_ID_FILE": str(folder / APPLY / "secret-id"),
            "VAULT_CACERT": str(folder / AUTHORITY),
        }
        yield Site(folder, address, Shell(folder / ".strongroom", variables))


@pytest.fixture(scope="module")
def operator(site: Site) -> Iterator[Session]:
    """Apply both environments, and yield an operator's session.

    Neither has changes after the other was applied.
    """
    for scope in (QA, EU):
        given = site.folder / "given/secret" / scope.secret("mail-password")
        given.parent.mkdir(parents=True)
        given.write_text(f"given-{scope}")
    given_folder = ("--given", str(site.folder / "given"))
    for name in (QA.environment, EU.environment):
        planned = site.strongroom("plan", "--env", name, *given_folder)
        assert (planned.returncode, planned.stderr) == (2, "")
        applied = site.strongroom("apply", "--env", name, *given_folder)
        assert (applied.returncode, applied.stderr) == (0, "")
    for name in (QA.environment, EU.environment):
        again = site.strongroom("plan", "--env", name, *given_folder)
        assert (again.returncode, again.stderr) == (0, ""), again.stdout
    credential = {
        "STRONGROOM_ROLE_ID_FILE": str(site.folder / APPLY / "role-id"),
        "STRONGROOM_SECRET_ID_FILE": str(site.folder / APPLY / "secret-id"),
    }
    operating = Client(from_environment({**site.application("qa"), **credential}))
    for scope in (QA, EU):
        ensure_credential(operating.session, str(scope), site.folder / str(scope))
    yield operating.session
    operating.close()


@pytest.fixture(params=[QA, EU], ids=str)
def scope(request: pytest.FixtureRequest) -> Scope:
    found: Scope = request.param
    return found


def test_application_reads_the_secrets_of_its_environment(
    site: Site, operator: Session, scope: Scope
) -> None:
    with closing(Client(from_environment(site.application(scope.environment)))) as client:
        stored = operator.get(f"secret/data/{scope.secret('token')}")["data"]["data"]["value"]
        assert client.secrets.get("token") == stored
        assert client.secrets.get("mail-password") == f"given-{scope}"
        info = client.secrets.get_info("mail-password")
        assert info is not None
        assert info.source == "vault"
        email = client.cipher("pii").field("users.email")
        assert email.decrypt(email.encrypt("ada@example.com")) == "ada@example.com"


def test_application_has_no_fallback_in_a_new_environment(
    site: Site, operator: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LIVE_KEY", "MAIL_PASSWORD"):
        monkeypatch.setenv(variable, "from-process")
    path = QA.secret("mail-password")
    operator.delete(f"secret/data/{path}")
    client = Client(from_environment(site.application("qa")))
    try:
        # Its list names other environments, so the policy of this one does not grant it.
        with pytest.raises(AccessDenied):
            client.secrets.get("live-key")
        with pytest.raises(SecretDeleted):
            client.secrets.get("mail-password")
    finally:
        client.close()
        operator.post(f"secret/undelete/{path}", {"versions": [1]})
    for change in ({"VAULT_ADDR": ""}, {"STRONGROOM_SOURCES": "dotenv"}):
        with pytest.raises(ConfigurationError):
            from_environment({**site.application("qa"), **change})
    with pytest.raises(InvalidName, match="did you mean 'dev'"):
        from_environment({**site.application("qa"), "ENVIRONMENT": "Dev"})


def test_secret_without_a_list_exists_in_every_environment(operator: Session) -> None:
    def names(scope: Scope) -> list[str]:
        folder = f"secret/metadata/{scope.service}/{scope.environment}"
        return sorted(operator.list(folder))

    assert names(QA) == ["mail-password", "token"]
    assert names(EU) == ["live-key", "mail-password", "token"]


def test_credential_of_one_environment_reads_nothing_of_another(
    site: Site, operator: Session
) -> None:
    assert operator.get(f"secret/data/{EU.secret('token')}")
    settings = from_environment(site.application("qa"))
    with closing(Client(replace(settings, scope=EU))) as client, pytest.raises(AccessDenied):
        client.secrets.get("token")


def test_command_for_an_environment_without_a_file_sends_no_request(site: Site) -> None:
    rejected = site.strongroom("plan", "--env", "prod-ue")
    assert (rejected.returncode, rejected.stdout) == (1, "")
    message = "no environment 'prod-ue' is declared (expected prod, prod-eu or qa; did you mean "
    assert message in " ".join(rejected.stderr.split())


@pytest.mark.usefixtures("operator")
def test_environment_without_services_is_pruned(site: Site, tmp_path: Path) -> None:
    shutil.copytree(site.folder, tmp_path / "less", ignore=shutil.ignore_patterns(".*"))
    file = tmp_path / "less/environments/qa.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "services": {}}))
    variables = {**site.strongroom.variables, "STRONGROOM_DECLARATION": str(tmp_path / "less")}
    shell = Shell(tmp_path / ".strongroom", variables)
    planned = shell("plan", "--env", "qa", "--prune", "--json")
    assert (planned.returncode, planned.stderr) == (2, "")
    document = json.loads(planned.stdout)
    deleted = {
        (each["kind"], each["name"]) for each in document["changes"] if each["action"] == "delete"
    }
    assert deleted == {
        (kind, name) for kind in ("approle", "policy") for name in ("shop-qa", "shop-qa-starter")
    }
    assert document["kept"] == [
        *(f"secret/{QA.secret(name)}" for name in ("mail-password", "token")),
        "transit/shop-qa-pii",
    ]
