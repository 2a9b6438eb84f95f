"""Files of a declaration that a test makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vault.declare.declaration import Declaration
from vault.declare.load import load


def write_declaration(
    folder: Path,
    environment: Mapping[str, Any],
    *services: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
) -> Declaration:
    """Write an environment, *services* and further *files* to *folder*, and load them."""
    texts = {
        f"environments/{environment['environment']}.yaml": json.dumps(environment),  # JSON is YAML
        **{f"services/{each['service']}.yaml": json.dumps(each) for each in services},
        **(files or {}),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return load(folder, folder / "templates")
