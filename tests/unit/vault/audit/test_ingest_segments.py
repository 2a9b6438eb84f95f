"""Ingest of the segments of an archive, which are the logs that they were made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from tests.support.models.audit_archive import Site, archive_site, file_cipher
from tests.unit.vault.audit.conftest import line
from vault.audit.damage import Reason
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source, find_server_logs
from vault.audit.store import open_store


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Yield an archive of two devices."""
    with archive_site(tmp_path, "audit-1", "audit-2") as found:
        yield found


def _ingest(site: Site, *logs: Path, **options: Any) -> Ingested:
    options = {"unwrap": file_cipher().unwrap, **options}
    return ingest(find_server_logs(logs or [site.folder]), site.folder.parent / "store", **options)


def _write(site: Site, *numbers: int) -> None:
    """Write lines to each device, with HMACs of its own."""
    for device in site.devices:
        token = {"client_token": f"hmac-sha256:{device.path.stem}"}
        device.write(*(line(number, auth=token) for number in numbers))


def _archive(site: Site, day: int, *numbers: int) -> None:
    _write(site, *numbers)
    site.day = day
    assert site.archiver().run().failures == []


def _devices(site: Site) -> list[tuple[str, int]]:
    with open_store(site.folder.parent / "store") as connection:
        query = "SELECT device, count(*) FROM lines GROUP BY 1 ORDER BY 1"
        return connection.execute(query).fetchall()


def test_segments_of_an_archive_are_read_once(site: Site) -> None:
    _archive(site, 1, 1, 2)
    assert _ingest(site).new_lines == 4
    _archive(site, 2, 3)
    again = _ingest(site)
    assert (again.new_lines, again.lines, again.damage) == (2, 6, ())
    assert _devices(site) == [("audit-1", 3), ("audit-2", 3)]
    assert _ingest(site, unwrap=None).new_lines == 0


def test_segment_of_a_log_that_was_read_adds_the_rest(site: Site) -> None:
    _write(site, 1)
    logs = [device.path for device in site.devices]
    assert _ingest(site, *logs).new_lines == 2
    _archive(site, 1, 2)
    assert _ingest(site, site.folder, *logs).new_lines == 2
    assert _devices(site) == [("audit-1", 2), ("audit-2", 2)]


@pytest.mark.parametrize("size", [-1, -200])
def test_altered_segment_is_named_and_the_others_are_read(site: Site, size: int) -> None:
    _archive(site, 1, 1)
    data = bytearray(site.files[0].read_bytes())
    data[size] ^= 1
    site.files[0].write_bytes(data)
    found = _ingest(site)
    assert found.new_lines == 1
    assert [(each.file, each.damage.reason) for each in found.damage] == [
        (str(site.files[0]), Reason.ALTERED)
    ]


def test_segment_without_a_key_is_refused(site: Site) -> None:
    _archive(site, 1, 1)
    with pytest.raises(ConfigurationError, match=r"zst\.encrypted is encrypted, and there is no"):
        _ingest(site, unwrap=None)


def test_folder_without_a_segment_is_refused(site: Site) -> None:
    with pytest.raises(ConfigurationError, match="archive has no segment; name the folder of an"):
        _ingest(site)


def test_logs_of_two_devices_may_begin_with_the_same_line(tmp_path: Path) -> None:
    # A request without a token or data has nothing that the device's salt makes its own.
    first = line(1, auth={"policy_results": {"allowed": False}}, response="absent")
    assert b"hmac" not in first
    logs = [tmp_path / name for name in ("audit-1.log", "audit-2.log")]
    for number, log in enumerate(logs, 2):
        log.write_bytes(first + b"\n" + line(number) + b"\n")
    rotated = logs[0].rename(tmp_path / "audit-1-20261128.log")
    sources = [Source.server_log(path) for path in (rotated, logs[1])]
    assert ingest(sources, tmp_path / "store").new_lines == 4
    rotated.rename(logs[0])
    assert ingest(map(Source.server_log, logs), tmp_path / "store").new_lines == 0
