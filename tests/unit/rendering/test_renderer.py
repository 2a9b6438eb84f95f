"""Writing of the staging file, also by deliveries that run at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from app_integration._internal.private_file import stamp
from app_integration.client import Client
from app_integration.names import Environment, Scope
from app_integration.rendering.renderer import Renderer
from app_integration.rendering.skeleton import Skeleton
from app_integration.settings import Settings

SCOPE: Final = Scope("parcels", Environment.DEV)
ROUNDS: Final = 100


@pytest.fixture
def render(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Return a function that renders a text without secrets to ``staging/app.yaml``."""
    staging = tmp_path / "staging" / "app.yaml"
    with closing(Client(Settings(SCOPE, "", audit_file=tmp_path / "access.jsonl"))) as client:

        def write(text: str) -> None:
            path = tmp_path / f"{text}.skeleton.json"
            path.write_text(Skeleton(SCOPE, "t/app.yaml.j2", "app.yaml", (f"{text}\n",)).to_json())
            Renderer.of_client(path, client).write(staging)

        yield write


def test_same_bytes_leave_the_file_as_it_is(render: Callable[[str], None], tmp_path: Path) -> None:
    render("one")
    before = stamp(tmp_path / "staging" / "app.yaml")
    render("one")
    assert stamp(tmp_path / "staging" / "app.yaml") == before


def test_renderings_at_the_same_time_do_not_mix(
    render: Callable[[str], None], tmp_path: Path
) -> None:
    def write_often(text: str) -> set[str]:
        seen = set()
        for _ in range(ROUNDS):
            render(text)
            seen.add((tmp_path / "staging" / "app.yaml").read_text())
        return seen

    with ThreadPoolExecutor(2) as pool:
        found = set().union(*pool.map(write_often, ("one", "two")))
    assert found == {"one\n", "two\n"}
