"""Tests of the editor that adds and removes adopted secrets in an environment file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from app_integration.names import Environment, Scope
from vault.declare import load
from vault.declare.edit import environment_file
from vault.declare.errors import DeclarationError
from vault.declare.schema.adopted_secret import ROTATE_EVERY, Adopted

SHOP = Scope("shop", Environment.DEV)
TAIL = "# The end.\n"


@pytest.fixture
def root(root: Path) -> Path:
    service = root / "services" / "shop.yaml"
    more = "  db-url: {source: given}\n  other-url: {source: given, rotate_every: 7d}\n"
    service.write_text(service.read_text().replace("  mail-url:\n", f"{more}  mail-url:\n"))
    file = root / "environments" / "dev.yaml"
    file.write_text(f"{file.read_text()}      # about mail\n{TAIL}")
    return root


def check(root: Path) -> load.Check:
    return partial(load.check, template_root=root / "templates")


def add(root: Path, secret: str, user: str) -> bool:
    file = root / "environments" / "dev.yaml"
    return environment_file.add(file, "shop", secret, user, check(root))


def remove(root: Path, secret: str) -> bool:
    file = root / "environments" / "dev.yaml"
    return environment_file.remove(file, "shop", secret, check(root))


def adopted(root: Path) -> dict[str, Adopted]:
    return load.load(root, root / "templates").adopted(SHOP)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_add_then_remove_restores_the_file(root: Path, newline: str) -> None:
    file = root / "environments" / "dev.yaml"
    before = file.read_text().replace("\n", newline).encode()
    file.write_bytes(before)
    assert add(root, "db-url", "shop_app")
    assert add(root, "other-url", "shop_other")
    assert adopted(root) == {
        "db-url": Adopted("shop_app", ROTATE_EVERY),
        "other-url": Adopted("shop_other", 7 * 86_400),
    }
    assert remove(root, "db-url")
    assert list(adopted(root)) == ["other-url"]
    assert remove(root, "other-url")
    assert file.read_bytes() == before


def test_add_of_an_existing_and_remove_of_a_missing_entry_do_nothing(root: Path) -> None:
    assert not remove(root, "db-url")
    assert add(root, "db-url", "shop_app")
    assert not add(root, "db-url", "shop_app")


@pytest.mark.parametrize(
    "entry",
    [
        'shop: {database: "127.0.0.1:5432", settings: {mail-host: mail}}  # the servers',
        "shop: {settings: {mail-host: mail}, database: 127.0.0.1:5432, }",
        "shop: {\n    settings: {mail-host: mail},\n    database: 127.0.0.1:5432 # ours\n  }",
        "shop:\n    database: 127.0.0.1:5432\n    settings: {mail-host: mail}\n    adopted: {}",
    ],
)
def test_add_then_remove_in_braces_restores_the_file(root: Path, entry: str) -> None:
    file = root / "environments" / "dev.yaml"
    head, _ = file.read_text().split("  shop:\n")
    file.write_text(f"{head}  {entry}\n{TAIL}")
    before = file.read_text()
    assert add(root, "db-url", "shop_app")
    assert add(root, "other-url", "shop_other")
    assert list(adopted(root)) == ["db-url", "other-url"]
    assert remove(root, "db-url")
    assert list(adopted(root)) == ["other-url"]
    assert remove(root, "other-url")
    assert file.read_text() == before.replace("\n    adopted: {}", "")


def test_invalid_entry_is_not_written(root: Path) -> None:
    before = (root / "environments" / "dev.yaml").read_bytes()
    with pytest.raises(DeclarationError, match="not a given secret"):
        add(root, "token", "shop_app")
    assert (root / "environments" / "dev.yaml").read_bytes() == before
