"""Versions of the secrets in a delivered file: their record beside it, and their metric.

The record, ``<live>.versions.json``, has the digest of the bytes that contain these versions. So it
never says more than what is true of a file, whatever a crash or a rollback leaves beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from app_integration._internal.private_file import Stamp, replace_file, stamp
from app_integration.config import file_reader, trial
from app_integration.config.file_access import FileAccess
from app_integration.config.versions_line import Rendered, Versions, is_versions
from app_integration.errors import ConfigRejected, StrongroomError
from app_integration.observability import metrics
from app_integration.observability.recorder import FILE, UNKNOWN_VERSION, Recorder


def versions_file(live: Path) -> Path:
    """Return the path of the record of the versions in *live*."""
    return live.with_name(f"{live.name}.versions.json")


def write_versions(live: Path, rendered: Rendered, access: FileAccess) -> None:
    """Record the versions in a rendered file, before it replaces *live*.

    The record keeps what is known of the live file and of the one before a trial, because either
    may be the live file after this delivery. A failure is ignored: it must not prevent a delivery.
    """
    with suppress(OSError, StrongroomError):
        known, new = read_versions(live, access), _digest(rendered.data)
        kept = {_digest_of(each, access) for each in (live, trial.last_good_file(live))} - {new}
        record = {digest: each for digest, each in known.items() if digest in kept}
        if rendered.versions:
            record[new] = rendered.versions
        if record == known:
            return
        if record:
            content = f"{json.dumps(record)}\n".encode()
            replace_file(versions_file(live), content, mode=access.file_mode(live.parent))
        else:
            versions_file(live).unlink(missing_ok=True)


def read_versions(live: Path, access: FileAccess) -> Mapping[str, Versions]:
    """Return digest of a content of *live* → its versions; nothing if the record is invalid."""
    try:
        document = json.loads(file_reader.read(versions_file(live), access))
    except (StrongroomError, ValueError, RecursionError):
        return {}
    return document if _is_record(document) else {}


def _is_record(document: Any) -> bool:
    return isinstance(document, dict) and all(map(is_versions, document.values()))


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _digest_of(path: Path, access: FileAccess) -> str | None:
    try:
        return _digest(file_reader.read(path, access))
    except ConfigRejected:
        return None


class LoadedVersions:
    """Versions in the file that a process has loaded, as a metric. Its caller holds a lock."""

    def __init__(self, live: Path) -> None:
        """Record nothing yet."""
        self._live = live
        self._digest = ""
        self._read: Stamp | None = None
        self._versions: Versions = {}
        self._recorded: Versions = {}
        self._recorder: Recorder | None = None

    def set_loaded(self, data: bytes) -> None:
        """Describe *data*, the bytes that are in effect now."""
        if (digest := _digest(data)) != self._digest:
            self._digest, self._read, self._versions = digest, None, {}

    def record(self) -> None:
        """Record the versions if they or the recorder are others than at the last call.

        A secret that was recorded for earlier bytes, and is not known to be in these, has an
        unknown version, because the earlier one would be wrong.
        """
        found = stamp(versions_file(self._live))
        if found != self._read:
            self._read = found
            self._versions = self._read_record().get(self._digest, self._versions)
        versions = {**dict.fromkeys(self._recorded, UNKNOWN_VERSION), **self._versions}
        if versions:
            self._record(versions)

    def _read_record(self) -> Mapping[str, Versions]:
        try:
            return read_versions(self._live, FileAccess.from_environment())
        except StrongroomError:  # a wrong variable, which the next load reports
            return {}

    def _record(self, versions: Versions) -> None:
        metrics.set_default_environment(next(iter(versions)).split("/")[1])
        recorder = metrics.get_recorder()
        if recorder is self._recorder and versions == self._recorded:
            return
        for path, version in versions.items():
            service, _environment, name = path.split("/", 2)
            recorder.record_version(service, name, version, FILE)
        self._recorder, self._recorded = recorder, versions
