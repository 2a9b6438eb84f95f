"""Format of a deployment's folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app_integration._internal.formats import FOLDER
from app_integration._internal.private_file import stamp
from local import folder_format
from local.folder_format import UnreadableFormat
from local.layout import Layout
from local.processes.lock import Lock


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_folder_of_an_earlier_version_is_read_and_gets_the_format(layout: Layout) -> None:
    folder_format.check(layout)
    folder_format.write(layout)
    folder_format.check(layout)
    assert layout.format.read_text() == f"{FOLDER.current}\n"
    assert stat.S_IMODE(layout.format.stat().st_mode) == 0o600


def test_missing_folder_is_read(tmp_path: Path) -> None:
    folder_format.check(Layout(tmp_path / "absent"))
    (tmp_path / "file").write_text("")
    folder_format.check(Layout(tmp_path / "file"))


def test_stored_format_is_not_written_again_but_an_older_one_is(layout: Layout) -> None:
    folder_format.write(layout)
    before = stamp(layout.format)
    folder_format.write(layout)
    assert stamp(layout.format) == before is not None
    layout.format.write_text("0")
    folder_format.write(layout)
    assert layout.format.read_text() == f"{FOLDER.current}\n"


def test_newer_format_is_refused_with_file_number_and_remedy(layout: Layout) -> None:
    layout.format.write_text("2\n")
    with pytest.raises(UnreadableFormat) as caught:
        folder_format.check(layout)
    assert str(caught.value) == (
        f"{layout.format}: the deployment has format 2, but this version reads 1; install a "
        "newer strongroom. Nothing was changed"
    )


@pytest.mark.parametrize("content", [b"", b"one", b"\xff", b"2" * 1000])
def test_damaged_format_is_refused(layout: Layout, content: bytes) -> None:
    layout.format.write_bytes(content)
    with pytest.raises(
        UnreadableFormat, match="is not a number, but this version reads 1; restore it"
    ):
        folder_format.check(layout)


def test_unreadable_file_is_refused(layout: Layout) -> None:
    layout.format.mkdir()
    with pytest.raises(UnreadableFormat, match=r"format cannot be read: Is a directory"):
        folder_format.check(layout)


def test_lock_of_a_newer_deployment_changes_nothing(layout: Layout) -> None:
    layout.format.write_text("2\n")
    with pytest.raises(UnreadableFormat), Lock(layout).exclusive():
        pass
    assert list(layout.root.iterdir()) == [layout.format]
