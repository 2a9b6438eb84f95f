"""Length of the walk of one ``get_secret``: the Python calls in this package, and their modules."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

import app_integration
from app_integration import default_client, get_secret
from app_integration.auth.methods import StaticToken
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Settings
from tests.support.servers.local_server import Server, serve

PACKAGE: Final = str(Path(app_integration.__file__).parent)
ANSWER: Final = {
    "request_id": "8d0f",
    "data": {
        "data": {"value": "correct horse battery"},
        "metadata": {
            "version": 1,
            "created_time": "2026-01-01T00:00:00Z",
            "custom_metadata": {"managed_by": "strongroom"},
        },
    },
}
#: The most calls and modules of each, with two reads for head and body of the response. Redaction
#: knows the value from before: a new one has all its encodings made, once. Lower the numbers when
#: the walk gets shorter.
MISS: Final = (88, 31)
FIRST_HIT: Final = (19, 11)
HIT: Final = (9, 8)


@pytest.fixture
def _warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process's client log in, and read one secret, from a server over HTTP."""
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)  # of another test
    with serve(Server(content=json.dumps(ANSWER).encode()), protocol="HTTP/1.1") as server:
        settings = Settings(
            Scope("shop", Environment.STAGING),
            server.address,
            audit_file=tmp_path / "access.jsonl",
        )
        session = Session(server.address, StaticToken(Secret("token")))
        default_client.configure(settings, session=session)
        get_secret("first")
        get_secret("first")
        yield
        default_client.close()


def walk(name: str) -> list[str]:
    """Return each call of this thread in the package while it gets the secret *name*.

    A comprehension, and a generator that goes on, count as calls, too.
    """
    found: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            module = code.co_filename.removeprefix(PACKAGE).strip("/")
            found.append(f"{module} {code.co_qualname}")

    sys.setprofile(note)
    try:
        get_secret(name)
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.untraced
@pytest.mark.usefixtures("_warm")
def test_walk_of_get_secret_has_no_more_calls_and_modules_than_it_needs() -> None:
    for most in (MISS, FIRST_HIT, HIT):
        calls = walk("second")
        modules = {each.partition(" ")[0] for each in calls}
        shown = "\n".join([f"{len(calls)} calls in {len(modules)} modules:", *calls])
        assert (len(calls) <= most[0], len(modules) <= most[1]) == (True, True), shown
