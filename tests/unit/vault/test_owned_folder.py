"""Folders that a command owns: which are taken, and what in them is removed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from backup.folder import BACKUPS
from console.views.output_files import BUILD
from local.layout import DEPLOYMENT
from vault import owned_folder
from vault.audit.archive.chain import ARCHIVE
from vault.audit.store import STORE
from vault.owned_folder import FolderKind
from vault.reconcile.credentials import CREDENTIALS

KINDS = (ARCHIVE, BACKUPS, BUILD, CREDENTIALS, DEPLOYMENT, STORE)
BACKUP = "shop-prod-20261127T201500Z.dump.encrypted"


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir(mode=0o755)
    return tmp_path / "folder"


def test_kinds_have_names_of_their_own() -> None:
    assert sorted(kind.name for kind in KINDS) == [*owned_folder.NAMES]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_new_or_empty_folder_is_taken_and_taken_again(kind: FolderKind, folder: Path) -> None:
    (folder / "lost+found").mkdir()
    for path in (folder, folder.with_name("a") / "b"):
        assert owned_folder.create(path, kind) == path
        (path / "file").touch()
        assert owned_folder.create(path, kind) == path
        assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "make",
    [
        lambda path: write(path / "file"),
        lambda path: write(path / "index.json", '{"format": 1, "name": "a site"}'),
        lambda path: write(path / "manifest.json", '{"backups": []}'),
        lambda path: write(path / "format", "3.0 (quilt)\n"),
        lambda path: write(path / ".git" / "HEAD"),
        lambda path: (path / ".strongroom-other").touch(),
    ],
)
def test_foreign_folder_is_refused(
    kind: FolderKind, make: Callable[[Path], object], folder: Path
) -> None:
    make(folder)
    before = sorted(folder.rglob("*")), folder.stat()
    with pytest.raises(ConfigurationError, match=f"{folder} is not a {kind.title}.*{kind.option}"):
        owned_folder.create(folder, kind)
    assert (sorted(folder.rglob("*")), folder.stat()) == before


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_folder_of_another_kind_or_with_a_link_as_its_mark_is_refused(
    kind: FolderKind, folder: Path
) -> None:
    (folder / "file").touch()
    (folder / kind.mark).symlink_to(folder / "file")
    for other in KINDS:
        if other is not kind:
            (folder / other.mark).touch()
    with pytest.raises(ConfigurationError, match="has other files"):
        owned_folder.claim(folder, kind)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (STORE, {"index.json": '{"format":1,"logs":{}}', "events/x": ""}),
        (ARCHIVE, {"chain.jsonl": "{}\n"}),
        (ARCHIVE, {"audit-1.20261127T201500.0Z.jsonl.zst.encrypted": ""}),
        (BACKUPS, {".manifest.lock": "", "other": ""}),
        (BACKUPS, {"manifest.json": "", BACKUP: ""}),
        (BUILD, {"compose.yaml": "# Written by strongroom agent build.\n", "README.md": ""}),
        (BUILD, {"policy.json": "", "requirements.txt": "", "rotation.zip": ""}),
        (CREDENTIALS, {"apply/prod/role-id": "", "README.md": ""}),
        (CREDENTIALS, {"shop-prod/role-id": ""}),
        (CREDENTIALS, {"role-id": "", "secret-id": ""}),
        (CREDENTIALS, {"bootstrap/prod/journal.json": ""}),
        (DEPLOYMENT, {"format": "1\n", "other": ""}),
        (DEPLOYMENT, {"run/lock": "", "passwords/x": "", "vault/data": ""}),
        (DEPLOYMENT, {"given/x": "", "audit-prod/index.json": ""}),
    ],
)
def test_folder_that_an_earlier_version_made_is_known_and_marked(
    kind: FolderKind, names: dict[str, str], folder: Path
) -> None:
    for name, text in names.items():
        write(folder / name, text)
    assert owned_folder.claim(folder, kind) == folder
    assert (folder / kind.mark).is_file()
    assert folder.stat().st_mode & 0o777 == 0o755


def test_root_with_the_empty_volumes_of_containers_is_new_and_not_with_a_file(folder: Path) -> None:
    (folder / "vault").mkdir()
    (folder / "config" / "shop").mkdir(parents=True)
    owned_folder.check(folder, DEPLOYMENT)
    (folder / "config" / "shop" / "app.yaml").touch()
    with pytest.raises(ConfigurationError, match="such as config"):
        owned_folder.check(folder, DEPLOYMENT)


def test_symlink_and_file_are_refused_and_links_above_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=f"is a symlink.*--store: {tmp_path / 'real'}$"):
        owned_folder.create(tmp_path / "link", STORE)
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises((ConfigurationError, NotADirectoryError)):
            owned_folder.create(path, STORE)
    assert owned_folder.create(tmp_path / "link" / "new", STORE) == tmp_path / "real" / "new"


def test_subfolder_is_no_link(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent)
    (folder / "file").touch()
    assert owned_folder.subfolder(folder, "a/b") == folder / "a" / "b"
    for name in ("link", "link/a", "file"):
        with pytest.raises(ConfigurationError, match="in place of a folder; move it away"):
            owned_folder.subfolder(folder, name)
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_tree_is_removed_in_a_marked_folder_only_and_no_link_is_followed(folder: Path) -> None:
    kept = folder.with_name("kept")
    for path in (kept / "file", folder / "tree" / "file"):
        write(path)
    with pytest.raises(ConfigurationError, match="is in no folder of this tool, and was not rem"):
        owned_folder.remove_tree(folder / "tree")
    (folder / STORE.mark).touch()
    (folder / "tree" / "link").symlink_to(kept)
    (folder / "link").symlink_to(kept)
    with pytest.raises(ConfigurationError, match=re.escape(str(kept / "file"))):
        owned_folder.remove_tree(folder / "link" / "file")
    for name in ("tree", "link", "missing"):
        owned_folder.remove_tree(folder / name)
    assert (kept / "file").is_file()
    assert not (folder / "tree").exists()
