"""Tests of what the one-shot services of the containers load."""

from __future__ import annotations

import sys
from pathlib import Path

from console import compose_init
from vault.declare import load


def test_image_delivers_every_config_by_its_own_interpreter() -> None:
    declaration = compose_init.load_declaration(load.PROJECT)
    configs = [each.config for each in declaration.services.values() if each.config]
    assert len(configs) == 2
    for config in configs:
        assert config.interpreter(declaration.project) == Path(sys.executable)
        assert config.folder(declaration.project) == compose_init.MODELS
