"""The list of members: one key and a name a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from tests.support import bech32
from vault.declare.dev_values.shared_values import read_members

ADA, BO = (bech32.encode("age", bytes([first]) * 32) for first in (1, 2))
PRIVATE = bech32.encode("age-secret-key-", bytes(32)).upper()


def test_members_are_keys_with_names(tmp_path: Path) -> None:
    file = tmp_path / "members"
    assert read_members(file) == {}
    file.write_text(f"# Of the team\n\n{ADA} Ada Byron\n  {BO}\t  bo  \n")
    assert read_members(file) == {ADA: "Ada Byron", BO: "bo"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ADA}\n", "members:1: the key has no name"),
        (f"{ADA} \x1b[2J\n", "members:1: the key has no name"),
        (f"# x\n{ADA[:-1]} ada\n", "members:2: the line has no key"),
        (f"{PRIVATE} ada\n", "members:1: the line has a private key; remove it"),
        (f"{ADA} ada\n{ADA} bo\n", "members:2: the key is there twice"),
        ("\udcff", "it is not UTF-8"),
    ],
)
def test_faulty_list_is_refused_without_its_text(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "members"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_members(file)
    assert not [key for key in (PRIVATE, ADA[:-1]) if key in str(caught.value)]


def test_more_members_than_a_file_has_room_for_are_refused(tmp_path: Path) -> None:
    keys = [bech32.encode("age", bytes([first]) * 32) for first in range(1, 18)]
    file = tmp_path / "members"
    file.write_text("".join(f"{key} ada\n" for key in keys))
    with pytest.raises(ConfigurationError, match="has 17 members, and a file has room for 16"):
        read_members(file)
