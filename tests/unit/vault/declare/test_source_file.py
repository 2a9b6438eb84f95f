"""Tests of the reader of declaration files: regular files, in their folder, of limited size."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vault.declare import load, source_file
from vault.declare.errors import DeclarationError
from vault.declare.yaml import document

PATIENCE = 10.0  # seconds
CANARY = "hunter2-hunter2"


@pytest.fixture
def root(root: Path) -> Path:
    (root.parent / "outside").write_text(f"{CANARY}: [\n")
    return root


def run_with_timeout(work: Callable[[], object]) -> BaseException | None:
    """Run *work* in a thread; return what it raised, and fail if it does not end."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
        except DeclarationError as error:
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return raised[0]


@pytest.mark.parametrize(
    "name", ["services/pipe.yaml", "environments/pipe.yaml", "environments/pipe.pem"]
)
def test_load_of_a_pipe_reports_it_without_blocking(root: Path, name: str) -> None:
    os.mkfifo(root / name)
    error = run_with_timeout(lambda: load.load(root, root / "templates"))
    assert str(error).endswith(
        f"{name}: the file is a folder, a pipe or a device (expected a regular text file)"
    )


@pytest.mark.parametrize(
    "name", ["services/link.yaml", "environments/link.yaml", "environments/link.pem"]
)
def test_load_of_a_link_out_of_the_folder_does_not_show_its_target(root: Path, name: str) -> None:
    (root / name).symlink_to(root.parent / "outside")
    with pytest.raises(DeclarationError, match="a link that leads out of") as caught:
        load.load(root, root / "templates")
    assert CANARY not in str(caught.value)


def test_load_of_a_template_link_out_of_the_folder_finds_no_template(root: Path) -> None:
    (template,) = (root / "templates" / "shop").glob("*.j2")
    template.unlink()
    template.symlink_to(root.parent / "outside")
    with pytest.raises(DeclarationError, match=template.name) as caught:
        load.load(root, root / "templates")
    assert CANARY not in str(caught.value)


def test_load_of_a_link_within_the_folder_reads_it(root: Path) -> None:
    service = root / "services" / "shop.yaml"
    service.rename(service.with_suffix(".txt"))
    service.symlink_to("shop.txt")
    assert load.load(root, root / "templates").service("shop").owner == "shop-team"


def test_load_of_a_large_file_rejects_it_before_parsing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = root / "services" / "shop.yaml"
    large = f"#{'x' * source_file.MAX_SIZE}\n"
    service.write_text(large)
    monkeypatch.setattr(document, "read", lambda *_: pytest.fail("it was parsed"))
    expected = rf"has {len(large)} bytes \(expected at most {source_file.MAX_SIZE}\)"
    with pytest.raises(DeclarationError, match=expected):
        load.load(root, root / "templates")


def test_a_file_is_found_also_if_it_is_a_broken_link(tmp_path: Path) -> None:
    assert source_file.find(tmp_path, "rollout.yaml") is None
    (tmp_path / "rollout.yaml").touch()
    (tmp_path / "anomalies.yaml").symlink_to(tmp_path / "missing.yaml")
    for name in ("rollout.yaml", "anomalies.yaml"):
        assert source_file.find(tmp_path, name) == tmp_path / name
