"""Config models in the containers' image: found without an import, replaced if they are missing."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from agent import unchecked_model
from local.docker.image_models import has_module, read_services, replace_missing
from vault.declare import load


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop_config", True),
        ("shop.config", True),
        ("shop", True),
        ("shop.inner.deep", True),
        ("shop.other", False),
        ("shop.config.deeper", False),
        ("agent.config", False),
    ],
)
def test_module_is_found_without_an_import(tmp_path: Path, name: str, found: bool) -> None:
    for file in ("shop_config.py", "shop/__init__.py", "shop/config.py", "shop/inner/deep.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("raise RuntimeError")
    assert has_module(name, [str(tmp_path)]) is found
    assert "shop" not in sys.modules


def test_model_that_the_image_lacks_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "examples" / "gaara_store").mkdir(parents=True)
    (tmp_path / "examples" / "gaara_store" / "config.py").touch()
    declared = load.load()
    changed, missing = replace_missing(declared, [str(tmp_path)])
    assert missing == ("orders-mail",)
    models = {name: each.config and each.config.model for name, each in changed.services.items()}
    own = declared.service("gaara-store").config
    assert own is not None
    assert models == {"gaara-store": own.model, "orders-mail": unchecked_model.NAME}
    assert replace_missing(declared)[1] == ()


def test_replacement_accepts_every_document() -> None:
    module, _, name = unchecked_model.NAME.partition(":")
    model = getattr(import_module(module), name)
    for document in ({"a": 1}, [1], None, "text"):
        assert isinstance(model.model_validate(document), model)


def test_services_are_read_from_the_file_of_apply(tmp_path: Path) -> None:
    assert read_services(tmp_path / "unchecked") == frozenset()
    (tmp_path / "unchecked").write_text("billing\ntracking")
    assert read_services(tmp_path / "unchecked") == {"billing", "tracking"}
