"""Import of a shop's .env file, and the example store serving with the imported values."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app_integration.client import Client
from app_integration.config.loader import load_config
from app_integration.testing.ports import free_ports
from examples.gaara_store.config import StoreConfig
from local.deployment import LocalDeployment
from local.runtime_interface import no_progress
from tests.support.polling import wait_until
from tests.support.processes.running_store import Person, RunningStore
from tests.support.processes.shell import Shell
from vault.declare import load

pytestmark = pytest.mark.requires("embedded")

SERVICE = "gaara-store"
SIGNING_SECRET = 'it\'s "quoted", with #hash, = and \\backslash, long enough'
API_KEY = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
ADA = Person("ada", "a-long-password-of-hers", "ada@example.com", "+44 20 7946 0000", "1 Byron Row")


class Migration(Shell):
    """Deployment with a copy of the declaration, and the shop's old file."""

    def __init__(self, folder: Path) -> None:
        self.declaration, self.dotenv = folder / "declare", folder / ".env"
        for name in ("services", "environments"):
            shutil.copytree(load.ROOT / name, self.declaration / name)
        variables = {"STRONGROOM_DECLARATION": str(self.declaration), "HOME": str(folder)}
        super().__init__(folder / ".strongroom", variables)
        self.local = LocalDeployment(self.layout, self.ports, load.load(self.declaration))

    def import_env(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self("import-env", str(self.dotenv), "--service", SERVICE, "--env", "dev", *options)


@pytest.fixture(scope="module")
def migration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migration]:
    migration = Migration(tmp_path_factory.mktemp("migration"))
    local, dotenv = migration.local, migration.dotenv
    local.up(no_progress)
    given = local.service("gaara-store").access.provided_secrets()
    signing = SIGNING_SECRET.replace("\\", "\\\\").replace("'", "\\'")
    dotenv.write_text(
        "# The shop before the import.\n"
        f"export DATABASE_URL='{given['database-url'].reveal()}?application_name=shop'\n"
        f"REDIS_URL={given['redis-url'].reveal()}\r\n"
        f"SMTP_PASSWORD={given['smtp-password'].reveal()}  # mail account\n"
        f"JWT_SECRET='{signing}'\n"
        f"PAYMENT_API_KEY={API_KEY}\n"
        "LOG_LEVEL=DEBUG\n"
        'SHOP_NAME="Gaara\'s store"\n',
        encoding="utf-8",
    )
    dotenv.chmod(0o600)
    yield migration
    local.started.reset()


def test_import_with_an_unclear_variable_changes_nothing(migration: Migration) -> None:
    before = migration.dotenv.read_bytes()
    rejected = migration.import_env("--secret", "PAYMENT_API_KEY", "--secret", "NO_SUCH")
    assert rejected.returncode == 1
    assert "NO_SUCH" in rejected.stderr
    assert migration.dotenv.read_bytes() == before


def test_import_declares_writes_proves_and_replaces_the_file(migration: Migration) -> None:
    before = dotenv_values(migration.dotenv, interpolate=False)
    done = migration.import_env("--setting", "SHOP_NAME")
    assert done.returncode == 0, done.stderr
    assert "5 secrets read back as gaara-store-dev: equal" in done.stdout
    assert 'payment_api_key: {{ secret("payment-api-key") }}' in done.stdout
    for secret in ("DATABASE_URL", "JWT_SECRET", "PAYMENT_API_KEY"):
        assert str(before[secret]) not in done.stdout + done.stderr
        assert str(before[secret]) not in migration.dotenv.read_text()
    assert dotenv_values(migration.dotenv) == {"LOG_LEVEL": "DEBUG", "SHOP_NAME": "Gaara's store"}
    kept = migration.dotenv.with_name(".env.before-strongroom")
    assert dotenv_values(kept, interpolate=False) == before
    assert kept.stat().st_mode & 0o777 == 0o600
    declared = load.load(migration.declaration).service(SERVICE)
    assert "payment-api-key" in declared.secrets
    assert "shop-name" in declared.settings


def test_second_import_and_plan_find_no_changes(migration: Migration) -> None:
    again = migration.import_env("--setting", "SHOP_NAME")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout
    assert migration("plan", "--env", "dev").returncode == 0


def test_service_reads_each_value_as_it_was_in_the_file(migration: Migration) -> None:
    service = Client(migration.local.service("gaara-store").settings())
    assert service.secrets.get("jwt-secret") == SIGNING_SECRET
    assert service.secrets.get("payment-api-key") == API_KEY
    assert service.secrets.get("database-url").endswith("?application_name=shop")
    info = service.secrets.get_info("jwt-secret")
    assert info is not None
    assert info.source == "vault"
    service.close()


def test_store_serves_with_the_imported_values(migration: Migration, tmp_path: Path) -> None:
    live = migration.local.layout.config(SERVICE)
    wait_until(
        lambda: load_config(StoreConfig, live).jwt.secret.get_secret_value() == SIGNING_SECRET,
        "the delivery of the imported secret",
    )
    store = RunningStore(
        migration.local.service("gaara-store").variables(), free_ports(1)[0], tmp_path / "store.log"
    )
    store.start()
    try:
        store.register(ADA)
        assert store.me(store.login(ADA)).json()["email"] == ADA.email
        assert store.export(store.login(ADA)).status_code < 300
    finally:
        assert store.stop() == 0
    assert SIGNING_SECRET not in store.log


def test_finish_deletes_the_backup_and_export_restores_the_file(migration: Migration) -> None:
    kept = migration.dotenv.with_name(".env.before-strongroom")
    before = dotenv_values(kept, interpolate=False)
    assert migration.import_env("--finish").returncode == 0
    assert not kept.exists()
    out = migration.dotenv.with_name(".env.rollback")
    options = ("--service", SERVICE, "--env", "dev", "--out", str(out))
    rejected = migration("export-env", *options, "--reason", " ")
    assert rejected.returncode == 1
    assert not out.exists()
    done = migration("export-env", *options, "--reason", "the server moves house")
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    exported = dotenv_values(out, interpolate=False)
    assert {name: exported[name] for name in before} == before
    log = migration.local.layout.logs / "access.jsonl"
    assert '"reason":"the server moves house"' in log.read_text()
