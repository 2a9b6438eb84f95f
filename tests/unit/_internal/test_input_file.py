"""Files that a person provides: what is no regular file is rejected without waiting."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app_integration._internal.input_file import NotRegular, open_input, read_input


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/dev/tty"),
        lambda path: path.symlink_to(path.parent),
    ],
)
def test_what_is_no_regular_file_is_rejected(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "input")
    with pytest.raises(OSError, match=r"not a regular file|No such device") as caught:
        read_input(tmp_path / "input")
    assert caught.value.filename is not None


def test_socket_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # because the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("input")
    with pytest.raises(OSError, match="input"):
        open_input(Path("input"))


def test_file_is_read_up_to_its_limit_also_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("input")
    assert read_input(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="has more than 4 bytes"):
        read_input(tmp_path / "link", 4)
    (tmp_path / "input").write_bytes(b"")
    assert read_input(tmp_path / "input") == b""


def test_sparse_file_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "input").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="has more than 1048576 bytes"):
        read_input(tmp_path / "input")


@pytest.mark.parametrize(("mode", "is_read"), [(0o600, True), (0o400, True), (0o640, False)])
def test_private_file_is_rejected_if_others_may_read_it(
    mode: int, *, is_read: bool, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"1")
    (tmp_path / "key").chmod(mode)
    if is_read:
        assert read_input(tmp_path / "key", is_private=True) == b"1"
        return
    with pytest.raises(OSError, match=r"has mode 0640 \(0040 too much\): chmod 0600"):
        read_input(tmp_path / "key", is_private=True)
    assert read_input(tmp_path / "key") == b"1"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "input")
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        with pytest.raises(NotRegular):
            open_input(tmp_path / "input")
    assert len([*Path("/proc/self/fd").iterdir()]) == before
