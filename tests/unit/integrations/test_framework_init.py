"""``init`` beside what an application of FastAPI or Flask configures itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute
from flask import Flask
from pydantic import BaseModel

import app_integration
from app_integration.integrations import fastapi, flask
from app_integration.observability import redaction
from app_integration.testing.application import MemoryApplication


class Config(BaseModel):
    name: str


class OwnRoute(APIRoute):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        assert self.tags


def reject() -> None:
    raise HTTPException(401)


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("STRONGROOM_SERVICE", "shop")
    monkeypatch.setenv("ENVIRONMENT", "staging")
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    found = tmp_path / "config.yaml"
    found.write_text("name: shop\n")
    found.chmod(0o600)
    yield found
    redaction.uninstall()


async def get(app: FastAPI, path: str, state: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Return status and body of a response, without a client library, which needs httpx."""
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    request = {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope = {"type": "http", "http_version": "1.1", "headers": [], "client": ("192.0.2.1", 1)}
    await app({**scope, **request, "state": state or {}}, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


@pytest.mark.parametrize(
    "unique_id",
    [
        lambda route: f"{route.tags[0]}-{route.name}",
        lambda route: {"read": "read"}[route.name],
        lambda route: route.endpoint.__module__.split(".")[9],
    ],
)
def test_fastapi_may_have_any_function_for_ids(
    unique_id: Callable[[APIRoute], str], path: Path
) -> None:
    app = FastAPI(generate_unique_id_function=unique_id)
    fastapi.init(app, Config, path)
    assert asyncio.run(get(app, "/metrics"))[0] == 403
    assert b'"paths":{}' in asyncio.run(get(app, "/openapi.json"))[1]


def test_fastapi_may_have_its_own_class_of_route_and_dependencies(path: Path) -> None:
    app = FastAPI(dependencies=[Depends(reject)])
    app.router.route_class = OwnRoute
    fastapi.init(app, Config, path)
    # 401 would be the application's, for its users.
    assert asyncio.run(get(app, "/metrics"))[0] == 403


def test_fastapi_may_have_its_own_middleware_and_lifespan(path: Path) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        events.append("start")
        yield {"name": "state"}
        events.append("end")

    app = FastAPI(lifespan=lifespan)
    fastapi.init(app, Config, path)

    @app.middleware("http")
    async def note(request: Any, call_next: Any) -> Any:
        events.append(f"{request.url.path} {request.state.name}")
        return await call_next(request)

    async def live() -> None:
        async with app.router.lifespan_context(app) as state:
            assert (await get(app, "/metrics", dict(state or {})))[0] == 403

    for _ in range(2):
        asyncio.run(live())
    assert events == ["start", "/metrics state", "end"] * 2


def test_lifespan_of_another_thread_leaves_the_client_open(
    path: Path, vault: MemoryApplication
) -> None:
    app = FastAPI()
    fastapi.init(app, Config, path)

    async def live() -> None:
        async with app.router.lifespan_context(app):
            pass

    vault.put("jwt-secret", "of the test")
    app_integration.get_secret("jwt-secret")
    with ThreadPoolExecutor() as threads:
        threads.submit(asyncio.run, live()).result()
    assert vault.client.session.login_count == 1
    asyncio.run(live())
    assert vault.client.session.login_count == 0


def test_flask_may_have_a_view_named_metrics(path: Path) -> None:
    app = Flask("shop")
    app.add_url_rule("/numbers", "metrics", lambda: "7")
    flask.init(app, Config, path)
    client = app.test_client()
    assert client.get("/numbers").text == "7"
    assert client.get("/metrics").status_code == 403
