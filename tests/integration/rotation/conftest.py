"""An item of each kind, in a deployment: for the contract, and for the tests of the kind alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app_integration.names import VALUE_KEY, Environment, Scope
from app_integration.testing.ports import free_ports
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from tests.integration.rotation import test_index_key as index_key
from tests.integration.rotation import test_key as key
from tests.integration.rotation import test_root_user as root_user
from tests.integration.rotation import test_secret as secret
from tests.integration.rotation import test_secret_id as secret_id
from tests.integration.rotation import test_user_pair as user_pair
from tests.support.databases.database import Database
from tests.support.servers.deployment import Deployment
from vault.declare.schema.secret_sources import Given


@pytest.fixture
def secret_site(deployment: Deployment, tmp_path: Path) -> Iterator[secret.Site]:
    """Yield a site whose secret has one version, and one derived from it."""
    operator = deployment.operator
    with deployment.token("strongroom-apply") as token:
        site = secret.Site(deployment, tmp_path, token)
        operator.post(f"secret/data/{site.path}", {"data": {VALUE_KEY: "first", "hint": "kept"}})
        operator.post(f"secret/data/{site.composed}", {"data": {VALUE_KEY: "key://first@host"}})
        yield site
    for path in (site.path, site.composed, f"_strongroom/dev/rotation/secret/{site.path}"):
        operator.delete(f"secret/metadata/{path}")


@pytest.fixture
def hooked_secret_site(secret_site: secret.Site) -> secret.Site:
    """Return the site, whose secret is given and ended by its owner."""
    commands = {name: ("sh", "-c", script) for name, script in secret.OWNER.items()}
    source = secret.parse(Given, source="given", hooks=commands, retire_after="60s")
    secret_site.secrets = {secret_site.name: source}
    return secret_site


@pytest.fixture
def announced_secret_site(secret_site: secret.Site) -> secret.Site:
    """Return the site, whose secret is a signing key."""
    source = secret_site.secrets[secret_site.name]
    secret_site.secrets[secret_site.name] = source.model_copy(update={"announce_for": 3900})
    secret_site.created_each = 2
    return secret_site


@pytest.fixture(scope="package")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Yield a local deployment whose store has a pair. No rotation has taken place."""
    layout = Layout(tmp_path_factory.mktemp("paired") / ".strongroom")
    local = LocalDeployment(
        layout, Ports(*free_ports(6)), user_pair.paired_declaration(), EmbeddedRuntime
    )
    local.up(no_progress)
    running = Deployment(local)
    yield running
    running.operator.close()
    local.started.reset()


@pytest.fixture
def any_pair_site(paired: Deployment) -> Iterator[user_pair.Site]:
    with paired.token("strongroom-rotator") as token:
        site = user_pair.Site(paired, token)
        yield site
        site.logs = False  # otherwise the end waits until the agent has rendered its file again
        site.wait()  # for the end of a rotation that was undone
        site.run_to_end()
        assert user_pair.logs_in(site.url())
    paired.operator.delete(f"secret/metadata/_strongroom/dev/rotation/user-pair/{user_pair.PATH}")


@pytest.fixture
def user_pair_site(any_pair_site: user_pair.Site) -> user_pair.Site:
    """Return a site whose current URL is that of a user of the pair."""
    if any_pair_site.user() not in user_pair.PAIR:
        any_pair_site.run_to_end()
    any_pair_site.now = datetime.now(UTC)
    return any_pair_site


@pytest.fixture
def root_user_site(deployment: Deployment, database: Database) -> Iterator[root_user.Site]:
    with deployment.token("strongroom-rotator") as token:
        yield root_user.Site(deployment, database, token, datetime.now(UTC))
    deployment.operator.delete(
        f"secret/metadata/_strongroom/dev/rotation/root-user/{root_user.NAME}"
    )


@pytest.fixture
def key_site(deployment: Deployment, tmp_path: Path) -> Iterator[key.Site]:
    """Yield a site with a declared key, because the rotator's policy grants no other."""
    site = key.Site(deployment, tmp_path, Scope("orders-mail", Environment.DEV), "receipts")
    site.fields["retire_after"] = "2d"
    site.use_hooks("1 receipts\n", "rewrap", "count")
    site.run_to_end()  # which adopts a version that an earlier test has left
    with deployment.token("strongroom-rotator") as token:
        site.token = token
        yield site
    site.remove_record()
    body = {"min_decryption_version": 1}
    deployment.operator.post(f"transit/keys/{site.key}/config", body)


@pytest.fixture
def secret_id_site(deployment: Deployment, tmp_path: Path) -> Iterator[secret_id.Site]:
    """Yield a site of a declared role that nothing on this machine uses, with a secret-id."""
    site = secret_id.Site(deployment, tmp_path, "strongroom-auditor")
    site.issue(site.used)
    site.logs = False  # because the logs of all earlier tests would be read in each run
    with deployment.token("strongroom-rotator") as token:
        site.token = token
        yield site
    site.credentials.destroy(site.credentials.secret_ids())
    site.remove_record()


@pytest.fixture
def index_key_site(
    deployment: Deployment, tmp_path: Path, index_record: None
) -> Iterator[index_key.HookedIndex]:
    del index_record
    with deployment.token("strongroom-apply") as token:
        yield index_key.HookedIndex(deployment, tmp_path, token)


@pytest.fixture
def index_record(deployment: Deployment) -> Iterator[None]:
    """Remove the record of the rotation afterwards."""
    yield
    path = f"_strongroom/dev/rotation/index-key/{index_key.ITEM.server_name}"
    deployment.operator.delete(f"secret/metadata/{path}")
