"""Archive of logs that this process writes: its order of steps, retention, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app_integration._internal import private_file
from app_integration.errors import ConfigurationError, KeyUnavailable
from tests.support.limited_files import limited_size
from tests.support.models.audit_archive import (
    Device,
    Site,
    archive_site,
    at,
    file_cipher,
    line,
)
from tests.support.processes.killed_steps import interrupt_at
from vault.audit.archive import archive_run, chain, segment_file
from vault.audit.archive.archive_run import Archiver
from vault.audit.archive.chain import ARCHIVE, ChainFile
from vault.audit.archive.entry import NO_ENTRY
from vault.audit.archive.errors import ArchiveFailed
from vault.audit.archive.live_log import LiveLog, Writers, find_writers
from vault.audit.archive.reload import Reopening, parse_command, run_command
from vault.audit.archive.segment_file import SegmentWriter, read_segment_file

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with archive_site(tmp_path) as created:
        yield created


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Site]:
    with archive_site(tmp_path, "audit-1", "audit-2") as created:
        yield created


class Killed(BaseException):
    """An exception that stands for a kill of the process."""


def kill(*_: object) -> None:
    raise Killed


def content(site: Site) -> list[bytes]:
    """Return the lines of all segments and logs, in order."""
    segments = [b"".join(read_segment_file(path, file_cipher().unwrap)) for path in site.files]
    logs = [path.read_bytes() for path in sorted(site.devices[0].path.parent.iterdir())]
    return b"".join([*segments, *logs]).splitlines()


def test_log_renamed_as_the_runbook_says_is_taken(tmp_path: Path) -> None:
    logs = [LiveLog(tmp_path / name) for name in ("audit-1.log", "audit-2.log")]
    for log in logs:
        log.path.write_bytes(line(at(0.5)))
    commands = (ROOT / "docs" / "runbook" / "Audit_Log.md").read_text().splitlines()
    (rename,) = (command for command in commands if 'do mv "$log"' in command)
    subprocess.run(["bash", "-euc", rename], cwd=tmp_path, check=True)  # noqa: S607 (the developer's own)
    assert [len(log.rotated()) for log in logs] == [1, 1]


def test_log_becomes_a_segment_and_the_server_writes_another(site: Site) -> None:
    done = site.archive(1, lines=[line(at(0.5)), line(at(0.2))])
    (segment,) = done.segments
    assert (segment.sequence, segment.log, segment.facts.lines) == (1, "audit-1", 2)
    assert (segment.facts.first, segment.facts.last) == (at(0.2), at(0.5))
    assert [path.name for path in site.files] == [segment.file]
    assert segment.file == "audit-1-20260102T000000.000000Z.jsonl.zst.encrypted"
    site.devices[0].write(b"new")
    assert list(site.devices[0].path.parent.iterdir()) == [site.devices[0].path]
    assert content(site) == [line(at(0.5)), line(at(0.2)), b"new"]
    assert site.files[0].stat().st_mode & 0o777 == 0o600
    assert (site.folder / chain.FILE).stat().st_mode & 0o777 == 0o600
    assert site.verify(head=done.head).findings == ()


def test_empty_log_is_not_renamed_and_no_key_is_requested(site: Site) -> None:
    def refuse() -> SegmentWriter:
        raise AssertionError

    done = site.archiver(open_writer=refuse).run()
    assert (done.segments, done.head) == ([], NO_ENTRY)


def test_unavailable_key_leaves_the_log_under_its_name(site: Site) -> None:
    site.devices[0].write(b"line")

    def refuse() -> SegmentWriter:
        raise KeyUnavailable("unreachable")

    with pytest.raises(KeyUnavailable):
        site.archiver(open_writer=refuse).run()
    assert site.devices[0].path.read_bytes() == b"line\n"


@pytest.mark.parametrize("command", ["false", "/nowhere/reload", "true"])
def test_log_that_the_server_does_not_open_has_its_name_again(site: Site, command: str) -> None:
    device = site.devices[0]
    device.write(b"before")
    reopening = Reopening(lambda: run_command(parse_command(command)), 0.05)
    done = site.archiver(reopening=reopening).run()
    (failure,) = done.failures
    assert "has its name again, and no line is lost" in failure
    assert failure.endswith("correct the reload, and run this again")
    assert site.files == []
    device.write(b"after")
    assert device.path.read_bytes() == b"before\nafter\n"
    assert [each.facts.lines for each in site.archiver().run().segments] == [2]


def test_reload_of_a_server_that_has_just_ended_gives_the_log_its_name_back(site: Site) -> None:
    def reload() -> None:
        os.kill(2**22 + 1, signal.SIGHUP)

    device = site.devices[0]
    device.write(b"before")
    (failure,) = site.archiver(reopening=Reopening(reload, 0.05)).run().failures
    assert "No such process; it has its name again" in failure
    assert device.path.read_bytes() == b"before\n"


def test_server_that_writes_on_to_the_renamed_log_loses_no_line(site: Site) -> None:
    device = site.devices[0]
    device.write(b"1")
    # Somebody else has created the file, which looks as if the server had opened it.
    done = site.archiver(reopening=Reopening(device.path.touch, 0.05)).run()
    (failure,) = done.failures
    assert "a process still writes to" in failure
    device.write(b"2")
    assert site.files == []
    (segment,) = site.archiver().run().segments
    assert segment.facts.lines == 2


def test_one_of_two_logs_that_is_not_opened_does_not_hold_up_the_other(two: Site) -> None:
    first, second = two.devices
    first.write(b"1")
    second.write(b"2")

    def reload() -> None:
        first.file.close()
        first.reopen()

    done = two.archiver(reopening=Reopening(reload, 0.05)).run()
    assert [each.log for each in done.segments] == ["audit-1"]
    assert [each.partition(":")[0] for each in done.failures] == [str(second.path)]


def test_missing_log_is_refused_before_a_reload_would_lose_its_lines(site: Site) -> None:
    device = site.devices[0]
    device.write(b"1")
    device.path.unlink()
    with pytest.raises(ArchiveFailed, match=r"does not exist.*copy them first, from /proc/PID/fd"):
        site.archive(1)


def test_log_that_is_deleted_after_a_killed_run_is_refused_too(site: Site) -> None:
    device = site.devices[0]
    device.write(b"1")
    LiveLog(device.path).rename(at(0))
    site.reload()
    device.path.unlink()
    with pytest.raises(ArchiveFailed, match="does not exist"):
        site.archiver().run()


def test_second_run_at_the_same_time_is_refused(site: Site) -> None:
    for folder in (site.folder, site.devices[0].path.parent):
        with (
            private_file.lock(folder, folder=True),
            pytest.raises(ArchiveFailed, match="another run is under way"),
        ):
            site.archiver().run()


def test_logs_of_one_name_and_missing_folders_are_refused(site: Site, tmp_path: Path) -> None:
    logs = [LiveLog(tmp_path / name / "audit.log") for name in ("a", "b")]
    reopening = Reopening(lambda: None)
    with pytest.raises(ConfigurationError, match="two logs have one name"):
        Archiver(site.folder, logs, SegmentWriter, reopening).run()  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is not a folder; create it first"):
        Archiver(site.folder, logs[:1], SegmentWriter, reopening).run()  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no file; name a file of an audit device"):
        LiveLog(tmp_path).has_lines()


def test_log_that_changes_while_it_is_archived_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = b""

    def append(raw: Path, *arguments: Any) -> None:
        nonlocal grown
        with raw.open("ab") as file:
            file.write(b"more\n")
        grown = raw.read_bytes()
        compress(raw, *arguments)

    compress = segment_file._compress
    monkeypatch.setattr(segment_file, "_compress", append)
    with pytest.raises(ArchiveFailed, match="is still written to"):
        site.archive(1)
    (rotated,) = LiveLog(site.devices[0].path).rotated()
    assert rotated.path.read_bytes() == grown
    monkeypatch.setattr(segment_file, "_compress", compress)
    assert [each.facts.lines for each in site.archiver().run().segments] == [2]
    assert site.verify().findings == ()


def test_full_disk_leaves_the_log_and_the_next_run_archives_it(site: Site) -> None:
    site.devices[0].write(os.urandom(9000).hex().encode(), b"2")
    with limited_size(8000), pytest.raises(OSError, match="File too large"):
        site.archiver().run()
    assert [each.name for each in site.folder.iterdir()] == [ARCHIVE.mark]
    assert [each.facts.lines for each in site.archive(2, lines=[b"x"]).segments] == [2, 1]
    assert site.verify().findings == ()


def test_full_disk_within_the_chain_leaves_no_part_of_a_line(site: Site) -> None:
    site.archive(1)
    path = site.folder / chain.FILE
    before = path.read_bytes()
    entry = ChainFile(site.folder).read().entries[0]
    with limited_size(len(before) + 20), pytest.raises(OSError, match="File too large"):
        ChainFile(site.folder).append(ChainFile(site.folder).read(), entry)
    assert path.read_bytes() == before


def test_torn_last_line_of_the_chain_is_repaired_and_the_log_archived_again(site: Site) -> None:
    site.archive(1)
    path = site.folder / chain.FILE
    whole = path.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole + whole[:cut])
        assert ChainFile(site.folder).repair().findings == ()
        assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])  # a whole entry stays
    assert len(ChainFile(site.folder).repair().entries) == 1
    assert path.read_bytes() == whole


def test_chain_with_a_time_of_a_year_of_three_digits_is_continued(site: Site) -> None:
    site.archive(1, lines=[b'{"time":"0999-01-01T00:00:00Z"}'])
    site.archive(2)
    assert site.verify().findings == ()


def test_damaged_chain_is_not_continued(site: Site) -> None:
    site.archive(1)
    site.archive(2)
    path = site.folder / chain.FILE
    first, second = path.read_bytes().splitlines(keepends=True)
    for damaged in (first.replace(b"1", b"2", 1) + second, second, first + b"{}\n", first + b"{"):
        path.write_bytes(damaged)
        if damaged.endswith(b"{"):  # a torn line
            assert site.archive(3).failures == []
            continue
        with pytest.raises(ArchiveFailed, match=r"is damaged: chain.jsonl line"):
            site.archive(3)
        assert path.read_bytes() == damaged


def test_archive_that_has_lost_its_chain_is_not_continued(site: Site) -> None:
    site.archive(1)
    site.archive(2)
    (site.folder / chain.FILE).unlink()
    with pytest.raises(ArchiveFailed, match="is missing or empty, but there are segments"):
        site.archive(3)
    assert site.devices[0].path.read_bytes().count(b"\n") == 1


def test_first_run_that_was_killed_before_the_chain_is_repeated(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ChainFile, "append", kill)
        with pytest.raises(Killed):
            site.archive(1)
    assert len(site.files) == 1
    assert len(site.archive(2).segments) == 2
    assert site.verify().findings == ()


def test_segment_is_deleted_by_its_last_line_and_the_newest_stays(site: Site) -> None:
    # The first one was rotated long after its last line, the second one has none with a time.
    site.archive(5, lines=[line(at(0))])
    site.archive(6, lines=[b"no time"])
    site.archive(7, lines=[line(at(0))])
    _, second, third = site.files
    assert site.archiver(90).run().deleted == ()
    site.day = 90.5
    assert [each.sequence for each in site.archiver(90).run().deleted] == [1]
    assert site.files == [second, third]
    site.day = 9999
    done = site.archiver(90).run()
    assert [each.sequence for each in done.deleted] == [2]
    assert site.files == [third]
    found = site.verify(head=done.head)
    assert found.findings == ()
    assert [deletion.keep_days for deletion in found.chain.deletions] == [90, 90]
    assert found.chain.deleted == {1, 2}


def test_newest_segment_of_each_log_stays(two: Site) -> None:
    two.archive(1)
    two.devices = two.devices[:1]
    two.archive(2)
    two.day = 999
    assert [each.log for each in two.archiver(1).run().deleted] == ["audit-1"]
    assert len(two.files) == 2


def test_deletion_is_finished_after_a_kill(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.archive(1)
    site.archive(2)
    site.day = 99
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", Path.unlink)
        interrupt_at(Path, "unlink", 1, kill)
        with pytest.raises(Killed):
            site.archiver(90).run()
    assert "is still there; archive again" in site.verify().findings[0]
    site.archiver(90).run()
    assert site.verify().findings == ()
    assert len(site.files) == 1


def test_deletion_is_confirmed_by_the_segment_after_it(site: Site) -> None:
    site.archive(1)
    site.archive(2)
    done = site.archive(99, keep=90)
    kinds = [type(entry).__name__ for entry in ChainFile(site.folder).read().entries]
    assert kinds == ["Segment", "Segment", "Deletion", "Segment"]
    assert len(done.deleted) == 1


def test_writers_of_a_file_are_known(tmp_path: Path) -> None:
    device = Device(tmp_path / "audit.log")
    with device.file:
        assert find_writers(device.path) is Writers.SOME
    assert find_writers(device.path) is Writers.NONE
    with device.path.open("rb"):
        assert find_writers(device.path) is Writers.NONE


@pytest.mark.requires("root")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_writers_of_another_users_file_are_unknown() -> None:
    os.seteuid(65534)
    try:
        assert find_writers(Path("/etc/passwd")) is Writers.UNKNOWN
    finally:
        os.seteuid(0)


def test_log_that_has_two_names_after_a_kill_is_not_archived_twice(site: Site) -> None:
    device = site.devices[0]
    device.write(b"1")
    rotated = LiveLog(device.path).rename(at(0))
    os.link(rotated.path, device.path)
    (segment,) = site.archive(1, lines=[b"2"]).segments
    assert segment.facts.lines == 2
    assert len(site.files) == 1


def test_renamed_log_of_the_same_time_is_not_replaced(site: Site) -> None:
    site.devices[0].write(b"1")
    LiveLog(site.devices[0].path).rename(at(0))
    site.reload()
    site.devices[0].write(b"2")
    (failure,) = site.archiver().run().failures
    assert "exists; correct the clock" in failure
    site.day = 1
    assert [each.facts.lines for each in site.archiver().run().segments] == [1, 1]


def test_log_that_cannot_be_renamed_does_not_hold_up_the_other(two: Site) -> None:
    second = two.devices[1].path
    second.write_bytes(b"1")
    LiveLog(second).rename(at(0))
    two.reload()
    done = two.archive(0)
    assert [each.log for each in done.segments] == ["audit-1"]
    assert [each.partition(" cannot be renamed: ")[0] for each in done.failures] == [str(second)]


def test_second_log_that_is_no_file_is_refused_before_the_first_is_renamed(two: Site) -> None:
    first, second = (device.path for device in two.devices)
    two.devices[0].write(b"1")
    second.rename(second.with_suffix(".moved"))
    second.symlink_to(second.with_suffix(".moved"))
    with pytest.raises(ConfigurationError, match="is no file"):
        two.archiver().run()
    assert first.read_bytes() == b"1\n"


def test_what_has_the_name_of_a_renamed_log_and_is_none_is_refused(site: Site) -> None:
    site.devices[0].write(b"1")
    path = site.devices[0].path
    for stamp, make, message in (
        ("20261301T000000.000000Z", Path.touch, "20261301T000000.000000Z is no time; rename it"),
        ("20260101T000000.000000Z", os.mkfifo, "is no file, although"),
    ):
        other = path.with_name(f"{path.name}.{stamp}.rotated")
        make(other)
        with pytest.raises(ConfigurationError, match=message):
            site.archiver().run()
        other.unlink()
    assert path.read_bytes() == b"1\n"


def test_link_to_a_renamed_log_does_not_remove_that(site: Site) -> None:
    device = site.devices[0]
    device.write(b"1")
    rotated = LiveLog(device.path).rename(at(0))
    device.path.symlink_to(rotated.path)
    with pytest.raises(ConfigurationError, match="is no file"):
        site.archiver().run()
    assert rotated.path.read_bytes() == b"1\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "is empty; write one"),
        ("a 'b", "No closing quotation; correct it"),
    ],
)
def test_reload_command_that_cannot_be_split_is_refused(command: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_command(command)


def test_failed_reload_command_shows_what_it_said() -> None:
    with pytest.raises(ArchiveFailed, match=r"sh -c .* failed with 3: no such unit"):
        run_command(["sh", "-c", "echo no such unit >&2; exit 3"])


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize("damage", [Path.unlink, cut])
def test_archive_that_has_lost_a_file_keeps_the_log_of_it(
    site: Site, damage: Callable[[Path], None]
) -> None:
    site.devices[0].write(line(at(0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_run._Run, "_archive", lambda *_: None)
        site.archiver().run()
    (rotated,) = LiveLog(site.devices[0].path).rotated()
    copy = rotated.path.read_bytes()
    site.archiver().run()
    rotated.path.write_bytes(copy)
    damage(site.files[0])
    with pytest.raises(ArchiveFailed, match=r"is missing, or has another content. The log stays"):
        site.archiver().run()
    assert rotated.path.exists()
