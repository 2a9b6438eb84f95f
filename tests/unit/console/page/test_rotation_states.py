"""Source of rotations: found by a list of records, of which one that is unreadable stays alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app_integration.errors import RequestRefused
from console.page.sources.rotation_states import read_rotations
from tests.support.models.rotations import dev_context
from vault.declare.load import load
from vault.rotation.consumers.evidence_type import Proof
from vault.rotation.record import Record, Step

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FOLDER = "secret/metadata/_strongroom/dev/rotation"
MARKS = {"managed_by": "strongroom", "deployment": "strongroom"}


class Server:
    """A session on a server with *records* of secrets of the store; it counts its requests."""

    def __init__(self, **records: str) -> None:
        self.records = records
        self.read: list[str] = []

    def list(self, path: str) -> list[str]:
        tree = {
            f"{FOLDER}/secret/": ["gaara-store/"],
            f"{FOLDER}/secret/gaara-store/": ["dev/"],
            f"{FOLDER}/secret/gaara-store/dev/": list(self.records),
        }
        return tree.get(path, [])

    def get(self, path: str) -> dict[str, Any]:
        self.read.append(path)
        name = path.rpartition("/")[2]
        if path.startswith(FOLDER):
            return {"data": {"custom_metadata": {**MARKS, "rotation": self.records[name]}}}
        raise RequestRefused("404", status=404)


def test_each_record_is_read_and_what_waits_has_evidence() -> None:
    done = Record("a", Step.DONE, NOW, "1", "2", ended=NOW)
    waiting = Record("b", Step.CONSUMERS, NOW, "1", "2", promoted=NOW)
    server = Server(
        **{"jwt-secret": waiting.render(), "smtp-password": done.render(), "redis-url": "{}"},
        undeclared=done.render(),
    )
    states = read_rotations(dev_context(load(), server, lambda: NOW))  # type: ignore[arg-type] # reads only
    found = {each.item.name: each for each in states}
    assert found.keys() == {"jwt-secret", "smtp-password", "redis-url"}
    assert (found["smtp-password"].record, found["smtp-password"].evidence) == (done, None)
    evidence = found["jwt-secret"].evidence
    assert evidence is not None
    assert evidence.proof is Proof.TIME
    assert "use the version of the tool that began it" in found["redis-url"].problem
    assert not any("/data/" in path for path in server.read)


def test_environment_without_a_record_reads_none() -> None:
    server = Server()
    assert read_rotations(dev_context(load(), server, lambda: NOW)) == ()  # type: ignore[arg-type] # reads only
    assert server.read == []
