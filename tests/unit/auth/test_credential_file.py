"""Files of one credential, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.auth.credential_file import read_credential
from app_integration.errors import ConfigurationError

SETTING = "STRONGROOM_TOKEN_FILE"


@pytest.mark.parametrize("content", ["hvs.one", " hvs.one\n", "hvs.one\r\n\n"])
def test_credential_is_read_without_the_space_around_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content.encode())
    assert read_credential(file, SETTING) == "hvs.one"


@pytest.mark.parametrize("content", ["hvs.one\nhvs.two", "hvs.one\x00", "hvs.one\x1b[A"])
def test_file_with_more_than_a_credential_is_rejected_without_its_content(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        read_credential(file, SETTING)
    assert str(caught.value) == (
        f"{file} ({SETTING}) has a line break within, or another character that is not printable; "
        "write the credential alone into it, on one line"
    )
