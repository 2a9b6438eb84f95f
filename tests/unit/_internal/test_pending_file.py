"""Pending files: what is in their way is kept, and a forked child leaves them alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app_integration._internal.pending_file import PendingFile
from app_integration.errors import ConfigurationError
from tests.support.limited_files import limited_size


def in_child(act: Callable[[], object]) -> str:
    """Run *act* in a forked child, and return the name of the exception that ended it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        name = "none"
        try:
            act()
        except BaseException as error:  # noqa: BLE001 (the child must end here)
            name = type(error).__name__
        os.write(writer, name.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 (a descriptor)
        name = pipe.read().decode()
    os.waitpid(pid, 0)
    return name


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("away"), Path.mkdir])
def test_target_that_is_no_file_is_rejected_and_stays(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    path = tmp_path / "target"
    make(path)
    before = path.lstat().st_ctime_ns
    with pytest.raises(ConfigurationError, match="name a file"):
        PendingFile(path)
    assert path.lstat().st_ctime_ns == before
    assert [each.name for each in tmp_path.iterdir()] == ["target"]


def test_target_that_is_a_device_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="device"):
        PendingFile(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_hard_link_under_the_temporary_name_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / ".file.new").hardlink_to(tmp_path / "other")
    with PendingFile(tmp_path / "file") as pending:
        pending.file.write(b"new")
    assert (tmp_path / "other").read_bytes() == b"other"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_temporary_file_that_another_process_has_open_is_not_used(tmp_path: Path) -> None:
    left = tmp_path / ".file.new"
    left.write_bytes(b"")
    with left.open("rb") as open_elsewhere:
        with PendingFile(tmp_path / "file") as pending:
            pending.file.write(b"secret")
        assert open_elsewhere.read() == b""
    assert (tmp_path / "file").read_bytes() == b"secret"


def test_symlink_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / ".file.new").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="cannot create"):
        PendingFile(tmp_path / "file")
    assert (tmp_path / "other").read_bytes() == b"other"


def test_forked_child_that_discards_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    with PendingFile(tmp_path / "file") as pending:
        pending.file.write(b"whole")
        assert in_child(pending.discard) == "none"
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_forked_child_cannot_publish(tmp_path: Path) -> None:
    with PendingFile(tmp_path / "file") as pending:
        pending.file.write(b"half")
        assert in_child(pending.publish) == "ConfigurationError"
        assert not (tmp_path / "file").exists()
        pending.file.write(b", whole")
    assert (tmp_path / "file").read_bytes() == b"half, whole"


def test_discard_after_an_interrupted_publish_keeps_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace, others = tmp_path / "file", Path.replace, []

    def interrupt(temporary: Path, target: Path) -> None:
        replace(temporary, target)
        monkeypatch.undo()
        others.append(PendingFile(path))
        raise KeyboardInterrupt

    pending = PendingFile(path)
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pending.publish()
    others[0].file.write(b"next")
    others[0].publish()
    assert path.read_bytes() == b"next"


def test_full_disk_names_the_target(tmp_path: Path) -> None:
    pending = PendingFile(tmp_path / "target")
    with limited_size(100):
        assert pending.file.write(b"x" * 101) == 100
        with pytest.raises(OSError, match="File too large") as raised:
            pending.file.write(b"x")
    pending.discard()
    assert raised.value.filename == str(tmp_path / "target")


def test_full_disk_at_a_write_to_the_descriptor_names_the_target(tmp_path: Path) -> None:
    with (
        limited_size(100),
        pytest.raises(OSError, match="File too large") as raised,
        PendingFile(tmp_path / "target") as pending,
    ):
        os.pwrite(pending.file.fileno(), b"x", 100)
    assert raised.value.filename == str(tmp_path / "target")
    assert not list(tmp_path.iterdir())
