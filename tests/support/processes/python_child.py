"""Python in a child process, with the variables of the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.servers.deployment import Deployment

_ROOT: Final = Path(__file__).parents[3]


def run_python(
    deployment: Deployment, *arguments: str, variables: Mapping[str, str] | None = None
) -> Any:
    """Return the JSON value that Python prints with *arguments*; check that it ends well."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT,
        env={"PATH": os.environ["PATH"], **deployment.variables, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)
