"""Example store on a complete deployment, seen by a customer, an operator and an attacker."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
import requests
from sqlalchemy import text

from app_integration.client import Client
from app_integration.config.delivery_status import status_file
from app_integration.config.loader import load_config
from app_integration.testing.ports import free_ports
from examples.gaara_store import tokens
from examples.gaara_store.config import StoreConfig
from local.aws.deployment import LocalAwsDeployment
from local.aws.dev_on_aws import put_on_aws
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.container_runtime import ContainerRuntime
from tests.support.polling import wait_until
from tests.support.processes.running_store import ROOT, Person, RunningStore, StoreInContainer
from tests.support.servers.aws_deployment import AwsDeployment, is_other_on_aws
from tests.support.servers.deployment import Deployment
from vault.declare.load import load

pytestmark = pytest.mark.requires("embedded")

SERVICE = "gaara-store"
GAARA = Person(
    username="gaara",
    password="sand-and-more-sand",
    email="gaara@suna.example",
    phone="+81 3 1234 5678",
    address='1 Dune Road, "S\u016bna"\nWind Country',
)


Site = Deployment | AwsDeployment


@pytest.fixture(scope="module", params=["vault", "aws"])
def deployment(
    deployment: Deployment, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Yield the shared deployment, then one on AWS."""
    if request.param == "vault":
        yield deployment
        return
    layout = Layout(tmp_path_factory.mktemp("aws") / ".strongroom")
    local = LocalAwsDeployment(layout, Ports(*free_ports(7)), put_on_aws(load(), {}))
    local.up(no_progress)
    yield AwsDeployment(local)
    local.started.reset()


@pytest.fixture(scope="module")
def store(deployment: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """Start a store that all tests here share, with GAARA as a customer."""
    if isinstance(deployment.local.servers, ContainerRuntime):
        contained = StoreInContainer(deployment.local.servers)
        contained.register(GAARA)
        yield contained
        return
    log_file = tmp_path_factory.mktemp("store") / "store.log"
    running = RunningStore(deployment.variables, free_ports(1)[0], log_file)
    running.start()
    try:
        running.register(GAARA)
        yield running
    finally:
        exit_code = running.stop()
    assert exit_code == 0, running.log


@pytest.fixture
def worker(deployment: Site, tmp_path: Path) -> Iterator[None]:
    """Run the mail worker on its own variables, unless a container does."""
    if isinstance(deployment.local.servers, ContainerRuntime):
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.orders_mail"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **deployment.local.service("orders-mail").variables(),
        },
        stdin=subprocess.DEVNULL,
    )
    yield
    process.terminate()
    assert process.wait(30) == 0


@pytest.fixture
def signing_secrets(deployment: Site) -> Iterator[list[str]]:
    """Yield the signing secrets in use, the newest last, and restore the first one afterwards."""
    original = delivered(deployment).jwt.secret.get_secret_value()
    yield [original]
    deployment.write_secret("jwt-secret", original)
    wait_until(lambda: is_delivered(deployment, original), "the delivery of the first secret")


def new_customer() -> Person:
    """Return a customer that no other test uses."""
    name = f"user-{secrets.token_hex(4)}"
    return replace(GAARA, username=name, email=f"{name}@suna.example")


def delivered(deployment: Site) -> StoreConfig:
    deployment.refresh("config")
    return load_config(StoreConfig, deployment.layout.config(SERVICE))


def last_delivery(deployment: Site) -> str:
    deployment.refresh("config")
    status: dict[str, str] = json.loads(status_file(deployment.layout.config(SERVICE)).read_text())
    return status["state"]


def is_delivered(deployment: Site, secret: str) -> bool:
    last = last_delivery(deployment)
    now = delivered(deployment).jwt.secret.get_secret_value()
    return now == secret and last != "refused"


def mails_to(deployment: Site, address: str) -> list[Path]:
    deployment.refresh("smtp/mail")
    mails = sorted(deployment.layout.mail.glob("*.eml"))
    return [mail for mail in mails if f"X-Envelope-To: {address}" in mail.read_text()]


def test_customer_logs_in_and_reads_their_own_data(store: RunningStore) -> None:
    answer = store.me(store.login(GAARA))
    assert store.me(store.login_by_email(GAARA)).json() == answer.json()
    assert answer.status_code == 200
    assert answer.json() == {"id": answer.json()["id"], "username": "gaara", **GAARA.private}


@pytest.mark.usefixtures("worker")
def test_order_is_mailed_by_the_worker(store: RunningStore, deployment: Site) -> None:
    person = new_customer()
    store.register(person)
    token = store.login(person)
    placed = store.request("POST", "/orders", token=token, body={"item": "a gourd"})
    assert placed.status_code == 201, placed.text
    wait_until(lambda: mails_to(deployment, person.email), "the mail about the order")
    (mail,) = mails_to(deployment, person.email)
    assert placed.json()["id"] in mail.read_text()


def test_export_is_mailed_as_a_csv_file(store: RunningStore, deployment: Site) -> None:
    person = new_customer()
    store.register(person)
    assert store.export(store.login(person)).status_code == 200
    (sent,) = mails_to(deployment, person.email)
    message = email.message_from_bytes(sent.read_bytes(), policy=email.policy.default)
    (attached,) = message.iter_attachments()
    (row,) = csv.DictReader(io.StringIO(attached.get_content(), newline=""))
    assert {name: row[name] for name in person.private} == person.private
    assert row["username"] == person.username


@pytest.mark.usefixtures("store")
def test_postgresql_contains_no_readable_personal_data(service: Client) -> None:
    engine = service.databases.engine(None, None)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM users")).all()
    seen = str(rows)
    assert "gaara" in seen
    assert [value for value in GAARA.private.values() if value in seen] == []
    assert "suna.example" not in seen


@pytest.mark.usefixtures("store")
def test_store_connects_to_the_database_as_a_leased_user_only(
    service: Client, deployment: Site
) -> None:
    engine = service.databases.engine(None, None)
    with engine.connect() as connection:
        users = connection.scalars(
            text("SELECT usename FROM pg_stat_activity WHERE application_name = 'gaara-store'")
        ).all()
    assert users
    if is_other_on_aws(deployment, "Database users"):
        assert set(users) == {"gaara_store_app"}
    else:
        assert all(user.startswith("v-") for user in users)


def test_changed_signing_secret_is_used_without_a_restart(
    store: RunningStore, deployment: Site, signing_secrets: list[str]
) -> None:
    old, changed = store.login(GAARA), secrets.token_urlsafe(36)
    signing_secrets.append(changed)
    deployment.write_secret("jwt-secret", changed)
    wait_until(lambda: is_delivered(deployment, changed), "the delivery of the new secret")
    wait_until(lambda: is_signed_with(store.login(GAARA), changed), "the store's use of it")
    assert store.me(store.login(GAARA)).status_code == 200
    assert store.me(old).status_code == 200  # because the store accepts the previous version too


def is_signed_with(token: str, key: str) -> bool:
    try:
        jwt.decode(token, key, algorithms=[tokens.ALGORITHM], audience=tokens.AUDIENCE)
    except jwt.InvalidSignatureError:
        return False
    return True


def test_too_short_signing_secret_is_not_delivered(
    store: RunningStore, deployment: Site, signing_secrets: list[str]
) -> None:
    token = store.login(GAARA)
    deployment.write_secret("jwt-secret", "too-short")
    wait_until(lambda: last_delivery(deployment) == "refused", "the refusal of the secret")
    assert delivered(deployment).jwt.secret.get_secret_value() == signing_secrets[-1]
    assert store.me(token).status_code == 200
    assert store.me(store.login(GAARA)).status_code == 200
    assert store.health()["parts"]["config"] is False


def test_store_works_without_the_agent_until_a_secret_changes(
    store: RunningStore, deployment: Site, signing_secrets: list[str]
) -> None:
    token, changed = store.login(GAARA), secrets.token_urlsafe(36)
    deployment.kill("agent")
    try:
        signing_secrets.append(changed)
        deployment.write_secret("jwt-secret", changed)
        assert store.me(token).status_code == 200
        assert store.me(store.login(GAARA)).status_code == 200
    finally:
        deployment.revive()
    wait_until(lambda: is_delivered(deployment, changed), "the delivery by the new agent")
    assert store.me(token).status_code == 200
    assert store.me(store.login(GAARA)).status_code == 200


def test_store_without_agent_and_server_serves_from_its_caches(
    store: RunningStore, deployment: Site
) -> None:
    stranger, customer = new_customer(), new_customer()
    store.register(stranger)
    store.stop()
    store.start()  # so that the key of the stranger's data is not cached
    store.register(customer)
    known, unknown = store.login(customer), store.login(stranger)
    deployment.kill("agent")
    deployment.kill("vault")
    try:
        assert store.me(known).json()["email"] == customer.email
        assert store.export(store.login(customer)).status_code == 200
        store.register(new_customer())
        rejected = store.me(unknown)
        assert rejected.status_code == 503
        assert rejected.json()["message"].startswith("the encryption key is not available now")
        health = store.health()
        assert health["status"] == "degraded"
        assert health["parts"]["secrets"] is False
    finally:
        deployment.revive()
    wait_until(lambda: store.health()["status"] == "ok", "a healthy store")
    assert store.me(unknown).json()["email"] == stranger.email
    assert store.me(known).json()["email"] == customer.email


def test_stopped_store_leaves_no_database_user(
    store: RunningStore, service: Client, deployment: Site
) -> None:
    engine = service.databases.engine(None, None)

    def users(of: str) -> set[str]:
        with engine.connect() as connection:
            return set(connection.scalars(text(of)))

    store.login(GAARA)
    query = "SELECT usename FROM pg_stat_activity WHERE application_name = 'gaara-store'"
    own = users(query)
    assert store.stop() == 0
    assert own
    if is_other_on_aws(deployment, "Database users"):
        assert own <= users("SELECT rolname FROM pg_roles")
    else:
        wait_until(lambda: not own & users("SELECT rolname FROM pg_roles"), f"the end of {own}")
    store.start()


@pytest.mark.requires("curl")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_commands_in_the_readme_work(store: RunningStore, deployment: Site) -> None:
    readme = (ROOT / "examples" / "gaara_store" / "README.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(curl.*?)```", readme, re.DOTALL)
    before = set(mails_to(deployment, "temari@example.com"))
    done = subprocess.run(
        ["/bin/sh", "-eux"],
        input=commands.replace(":8080", f":{store.port}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "your data was sent" in done.stdout
    # The worker's mail about the order may have arrived, too: it runs in containers.
    new = set(mails_to(deployment, "temari@example.com")) - before
    mails = [mail.read_text() for mail in new]
    assert len([mail for mail in mails if "text/csv" in mail]) == 1


def test_second_store_on_the_same_port_names_the_setting_to_change(
    store: RunningStore, deployment: Site
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.gaara_store"],
        cwd=ROOT,
        env={
            **deployment.variables,
            "STRONGROOM_CONFIG": str(deployment.layout.config(SERVICE)),
            "STRONGROOM_STORE_PORT": str(store.port),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"STRONGROOM_STORE_PORT is '{store.port}'" in done.stderr


def test_metrics_of_the_store_are_for_local_requests_only(
    store: RunningStore, deployment: Site
) -> None:
    store.me(store.login(GAARA))
    page = store.request("GET", "/metrics")
    if isinstance(deployment.local.servers, ContainerRuntime):
        # Requests through the engine's network are remote, also those of this machine.
        assert page.status_code == 403
        assert "strongroom" not in page.text
    elif is_other_on_aws(deployment, "Metrics of requests"):
        assert page.status_code == 200
        assert 'strongroom_requests_total{environment="dev",outcome="ok"}' in page.text
        assert "strongroom_logins_total{" not in page.text
    else:
        assert page.status_code == 200
        assert 'strongroom_logins_total{environment="dev",outcome="ok"} 1.0' in page.text
        assert "strongroom_lease_expires_timestamp_seconds" in page.text
    assert store.request("POST", "/metrics").status_code == 405
    proxied = requests.get(
        f"http://127.0.0.1:{store.port}/metrics", headers={"Via": "1.1 proxy"}, timeout=5
    )
    assert proxied.status_code == 403
    assert "strongroom" not in proxied.text


def test_log_of_the_store_contains_no_secret(store: RunningStore, deployment: Site) -> None:
    """Run last, when the log contains the outages and changes of all tests above."""
    store.me(store.login(GAARA))
    config = delivered(deployment)
    hidden = [
        config.database.url.get_secret_value(),
        config.redis.url.get_secret_value(),
        config.jwt.secret.get_secret_value(),
        config.smtp.password.get_secret_value(),
        (deployment.layout.passwords / "redis").read_text().strip(),
        GAARA.password,
        *GAARA.private.values(),
        *store.tokens,
    ]
    if not is_other_on_aws(deployment, "Login rejected, credentials expired"):
        secret_id = deployment.layout.service_secret_id(str(deployment.settings.scope))
        hidden.append(secret_id.read_text().strip())
    assert f"serving on http://{store.host}" in store.log
    assert [value for value in hidden if value in store.log] == []
