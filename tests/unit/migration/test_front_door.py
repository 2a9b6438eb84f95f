"""Front door of the library: ``import migration``."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

#: Packages that take long to import.
_SLOW: Final = {"cryptography", "psycopg", "pydantic", "ruamel", "sqlalchemy", "prometheus_client"}


def test_import_loads_nothing_slow() -> None:
    code = "import sys\nfrom migration import *\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "migration.migration" in loaded
    assert not _SLOW & {*loaded}
