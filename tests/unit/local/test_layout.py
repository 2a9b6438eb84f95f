"""Socket of the secrets server: the paths that can be one, and those that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.layout import MAX_SOCKET_PATH, Layout

BELOW_ROOT = len("/vault/api.sock")


def test_socket_is_in_the_private_folder_of_the_server() -> None:
    assert Layout(Path("/srv/shop/.strongroom")).vault_socket == Path(
        "/srv/shop/.strongroom/vault/api.sock"
    )


@pytest.mark.parametrize(("excess", "is_possible"), [(0, True), (1, False)])
def test_socket_path_has_at_most_the_bytes_that_every_system_allows(
    excess: int, *, is_possible: bool
) -> None:
    root = "/" + "r" * (MAX_SOCKET_PATH - BELOW_ROOT - 1 + excess)
    assert (Layout(Path(root)).vault_socket is not None) is is_possible


@pytest.mark.parametrize("name", ["a b", "100%", "ü", "a?b", "a#b", "me@work", "\udcff"])
def test_socket_is_not_possible_in_a_folder_that_a_url_writes_differently(name: str) -> None:
    assert Layout(Path("/srv") / name).vault_socket is None
