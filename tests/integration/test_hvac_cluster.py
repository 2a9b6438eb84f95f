"""hvac's client on a cluster of real servers: bytes of a snapshot, every verb, failover."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest

from app_integration.auth.methods import StaticToken
from app_integration.hvac_adapter.adapter import build_hvac_client
from app_integration.session.session import Session
from tests.support.polling import wait_until
from tests.support.servers.raft_cluster import Cluster, raft_cluster

# Half a minute, for three servers whose leader is killed.
pytestmark = [pytest.mark.requires("embedded"), pytest.mark.nightly]

MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with raft_cluster(tmp_path) as running:
        yield running


def test_client_reads_snapshots_patches_and_survives_the_leader(cluster: Cluster) -> None:
    leader = cluster.leader()
    assert leader is not None
    others = sorted(set(cluster.addresses) - {leader.address})
    login = StaticToken(cluster.root_token)
    with Session(leader.address, login, extra_addresses=others) as session:
        client = build_hvac_client(session, timeout=20)
        client.sys.enable_secrets_engine("kv", options={"version": "2"})
        kv = client.secrets.kv.v2
        wait_until(lambda: _written(client), "a first value")
        patch = {"data": {"user": "mailer"}}
        client.adapter.request("patch", "/v1/kv/data/x", headers=MERGE, json=patch)
        current = kv.read_secret_version("x", mount_point="kv", raise_on_deleted_version=True)
        first = kv.read_secret_version(
            "x", version=1, mount_point="kv", raise_on_deleted_version=True
        )
        assert current["data"]["data"] == {"key": "value", "user": "mailer"}
        assert first["data"]["data"] == {"key": "value"}

        snapshot = client.sys.take_raft_snapshot()
        content = b"".join(snapshot.iter_content(1000))
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            assert {"meta.json", "state.bin"} <= set(archive.getnames())
        assert client.sys.restore_raft_snapshot(content).status_code == 204

        leader.process.kill()
        wait_until(lambda: cluster.leader() is not None, "another leader", 60)
        wait_until(lambda: _written(client), "a write after the failover")
        assert kv.read_secret_metadata("x", mount_point="kv")["data"]["current_version"] == 3


def _written(client: hvac.Client) -> bool:
    try:
        client.secrets.kv.v2.create_or_update_secret("x", {"key": "value"}, mount_point="kv")
    except hvac.exceptions.VaultError:
        return False
    return True
