"""Application of a service, and its interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from local.services.application import check_application, lacks_extra


def test_application_without_an_interpreter_or_sdk_is_refused(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    with pytest.raises(ConfigurationError, match=f"{python} cannot be used: No such file"):
        check_application(tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho yaml\n")
    python.chmod(0o755)
    with pytest.raises(ConfigurationError, match="cannot import yaml; install strongroom-sdk"):
        check_application(tmp_path)
    python.write_text("#!/bin/sh\necho\n")
    check_application(tmp_path)


@pytest.mark.parametrize("extra", ["database", "redis"])
def test_lacks_extra_asks_the_applications_interpreter(tmp_path: Path, extra: str) -> None:
    assert not lacks_extra(Path(sys.executable), extra)
    assert not lacks_extra(tmp_path / "python", extra), "it is not known of one that cannot be run"
    python = tmp_path / "bare"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    python.chmod(0o755)
    assert lacks_extra(python, extra)
