"""Evidence of a run of rotations: how often it reads the audit logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.target import evidence_sources
from console.target.evidence_sources import EvidenceSources
from console.target.target import open_target
from vault.rotation.response_log import FileLog

PATHS = ("secret/data/shop/dev/jwt", "secret/data/shop/dev/smtp")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvidenceSources:
    """Return sources with an empty audit log."""
    log = tmp_path / "audit.log"
    log.touch()
    monkeypatch.setattr(evidence_sources, "open_response_log", lambda *_: FileLog.of([log]))
    return EvidenceSources(open_target(root=tmp_path), (), None)


def test_expected_paths_are_read_together(sources: EvidenceSources) -> None:
    sources.expect(PATHS)
    log = sources.read_log(PATHS[:1])
    assert log is not None
    assert log.paths == frozenset(PATHS)
    assert sources.read_log(PATHS[1:]) is log


def test_unexpected_paths_are_read_alone(sources: EvidenceSources) -> None:
    log = sources.read_log(PATHS)
    assert log is not None
    assert log.paths == frozenset(PATHS)
    assert sources.read_log(PATHS[:1]) is not log


def test_logins_of_all_roles_are_read_once(sources: EvidenceSources) -> None:
    log = sources.read_logins()
    assert log is not None
    assert sources.read_logins() is log
