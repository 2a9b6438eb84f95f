"""What commands work on: the local deployment in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from console.target.local_folder import open_layout


def test_each_path_of_a_folder_is_the_same_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server and the records keep the path, and one of two would be taken for a copy."""
    for name in ("shop", "beside"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "beside")
    paths = (tmp_path / "link", Path("../shop"), Path("../link"), tmp_path / "beside/../shop")
    roots = {open_layout(path / ".strongroom").root for path in paths}
    assert roots == {tmp_path / "shop" / ".strongroom"}


def test_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".strongroom").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match=f"is a symlink.*: {tmp_path}$"):
        open_layout(tmp_path / ".strongroom")
