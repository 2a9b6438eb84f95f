"""Raft cluster with auto-unseal, of three servers or of one, for tests that stop or kill one."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app_integration.auth.methods import StaticToken
from app_integration.errors import ServerError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from app_integration.transport.http import Transport
from local.processes import binaries
from local.servers import vault_state
from tests.support.polling import wait_until
from tests.support.servers.issuer import Authority

HOST = "127.0.0.1"
AUDIT_DEVICE = "log"
_NODES = 3
_STOP = 20.0  # seconds
_CONFIGURATION = """
api_addr = "{address}"
cluster_addr = "http://{host}:{cluster}"
storage "raft" {{
  path = "{folder}/data"
  node_id = "{name}"
  performance_multiplier = 1
  {joins}
}}
listener "tcp" {{
  address = "{host}:{port}"
  cluster_address = "{host}:{cluster}"
  {tls}
}}
seal "static" {{
  current_key_id = "1"
  current_key = "file://{key}"
}}
audit "file" "{device}" {{ options = {{ file_path = "audit.log" }} }}
"""


@dataclass
class Node:
    """One server of the cluster, with its configuration, log and data in *home*."""

    name: str
    address: str
    home: Path
    cacert: Path | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    @property
    def audit_log(self) -> Path:
        """Return the file of its audit device :data:`AUDIT_DEVICE`."""
        return self.home / "audit.log"

    def start(self) -> None:
        """Start it, which does not wait for it; also after it was killed."""
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                (str(binaries.openbao_path()), "server", f"-config={self.home / 'server.hcl'}"),
                env={"HOME": str(self.home)},
                cwd=self.home,  # because the audit log has the same relative path on all nodes
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(_STOP)

    def transport(self) -> Transport:
        return Transport(self.address, cacert=self.cacert, connect_timeout=1.0)

    def health(self) -> dict[str, Any]:
        """Return the body of ``sys/health``, or an empty dict if the node is unreachable."""
        with closing(self.transport()) as transport:
            return vault_state.health(transport)

    def is_leader(self) -> bool:
        state = self.health()
        return bool(state) and not state["sealed"] and not state["standby"]


@dataclass
class Cluster:
    """A running cluster. The session *root* fails over to another node."""

    nodes: list[Node]
    root_token: Secret
    root: Session = field(init=False)

    def __post_init__(self) -> None:
        first, *further = self.addresses
        self.root = Session(
            first,
            StaticToken(self.root_token),
            extra_addresses=further,
            cacert=self.nodes[0].cacert,
        )

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.nodes]

    def leader(self) -> Node | None:
        """Return the active node, or None if there is none."""
        running = (each for each in self.nodes if each.process.poll() is None)
        return next((each for each in running if each.is_leader()), None)


@contextmanager
def raft_cluster(folder: Path, size: int = _NODES, *, tls: bool = False) -> Iterator[Cluster]:
    """Run a cluster in *folder*, and wait until all its nodes are unsealed and voters."""
    assert size == 1 or not tls  # because another node would need the authority to join
    key = folder / "seal-key"
    key.write_text(secrets.token_hex(32))
    ports = free_ports(2 * size)
    addresses = [f"{'https' if tls else 'http'}://{HOST}:{port}" for port in ports[:size]]
    authority = Authority() if tls else None
    nodes: list[Node] = []
    try:
        nodes.append(_start(folder, 0, addresses, ports, key, authority))
        token = _initialise(nodes[0])
        nodes += [_start(folder, each, addresses, ports, key, authority) for each in range(1, size)]
        cluster = Cluster(nodes, token)
        wait_until(lambda: all(_is_unsealed(node) for node in nodes), "an unsealed cluster", 60)
        wait_until(lambda: _voters(cluster.root) == size, "voters", 60)
        with cluster.root:
            yield cluster
    finally:
        for node in nodes:
            node.process.kill()  # because its data goes anyway
        for node in nodes:
            node.process.wait(_STOP)


def _start(
    folder: Path,
    position: int,
    addresses: list[str],
    ports: range,
    key: Path,
    authority: Authority | None,
) -> Node:
    home = folder / f"node-{position}"
    (home / "data").mkdir(parents=True)
    others = [each for each in addresses if each != addresses[position]]
    tls, cacert = "tls_disable = true", None
    if authority is not None:
        certificate, private = authority.issue_server(home)
        tls = f'tls_cert_file = "{certificate}"\n  tls_key_file = "{private}"'
        cacert = home / "vault-ca.pem"
        cacert.write_text(authority.pem)
    configuration = home / "server.hcl"
    configuration.write_text(
        _CONFIGURATION.format(
            host=HOST,
            address=addresses[position],
            port=ports[position],
            cluster=ports[len(addresses) + position],
            folder=home,
            name=f"node-{position}",
            key=key,
            tls=tls,
            device=AUDIT_DEVICE,
            joins="\n  ".join(f'retry_join {{ leader_api_addr = "{each}" }}' for each in others),
        )
    )
    return Node(f"node-{position}", addresses[position], home, cacert)


def _initialise(node: Node) -> Secret:
    wait_until(lambda: bool(node.health()), "a response of the first node")
    with closing(node.transport()) as transport:
        answer = vault_state.initialise(transport, {"recovery_shares": 1, "recovery_threshold": 1})
    wait_until(node.is_leader, "the first node as leader")
    return Secret(answer["root_token"])


def _voters(root: Session) -> int:
    """Return the number of voters. A node that has just joined is none, and two are no majority."""
    servers = root.get("sys/storage/raft/configuration")["data"]["config"]["servers"]
    return sum(each["voter"] for each in servers)


def _is_unsealed(node: Node) -> bool:
    try:
        state = node.health()
    except ServerError:
        return False
    return bool(state) and state["initialized"] and not state["sealed"]
