"""Libraries on leased Redis users that have exactly the rules of their recipe in the how-to."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from flask import session
from rq import Retry
from ruamel.yaml import YAML

from app_integration import default_client
from app_integration.names import Environment, Scope
from app_integration.settings import Settings
from tests.support.databases.database import eventually
from tests.support.databases.redis_site import RedisSite, redis_site
from tests.support.servers.dev_server import root
from tests.support.servers.kv_mount import create_kv_mount

pytestmark = [
    pytest.mark.requires("embedded"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of these libraries
]

#: redis-py goes on if it may not tell its name and version.
IGNORED: Final = {"client|setinfo"}
PAGE: Final = Path(__file__).parents[2] / "docs/howto/Redis.md"


def recipe(title: str) -> tuple[str, list[str]]:
    """Return the code of a recipe, and its rules."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n### {title}\n")[2].partition("\n##")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (rules,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    return code, YAML(typ="safe").load(rules)["rules"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("recipes")) as running:
        create_kv_mount(running.session, "secret")
        url = {"value": running.url.reveal()}
        running.session.post("secret/data/shop/dev/redis-url", {"data": url})
        yield running


@pytest.fixture
def run(site: RedisSite) -> Iterator[Any]:
    """Return a function that configures the role as a recipe does, and executes its code."""

    def run(title: str) -> dict[str, Any]:
        code, rules = recipe(title)
        site.configure_role(json.dumps(rules))
        settings = Settings(Scope("shop", Environment.DEV), site.address)
        default_client.configure(settings, session=root(site.address))
        names: dict[str, Any] = {}
        exec(compile(code, title, "exec"), names)  # noqa: S102 (of this repository's page)
        return names

    site.admin.flushall()
    yield run
    default_client.close()


def denied(site: RedisSite) -> list[Any]:
    """Return the commands, keys and channels that Redis has denied since the last call."""
    found = {each["object"] for each in site.admin.acl_log()}
    site.admin.acl_log_reset()
    return sorted(found - IGNORED)


def fail() -> None:
    raise ValueError("as a job does")


def add(one: int, other: int) -> int:
    return one + other


def test_rq(site: RedisSite, run: Any) -> None:
    names = run("RQ")
    queue, worker = names["queue"], names["worker"]
    job = queue.enqueue(add, 1, 2)
    failed = queue.enqueue(fail, retry=Retry(max=1))
    queue.enqueue(print, "x", depends_on=job)
    queue.enqueue_in(timedelta(seconds=0), add, 1, 3)
    worker.work(burst=True, with_scheduler=True)
    names["SimpleWorker"]([queue], connection=names["redis"]).work(max_idle_time=1)
    assert job.latest_result().return_value == 3
    assert failed.get_status().value == "failed"
    assert (queue.count, len(queue.finished_job_registry)) == (0, 3)
    assert denied(site) == []


def test_flask_session(site: RedisSite, run: Any) -> None:
    app = run("Flask-Session")["app"]

    @app.get("/count")  # type: ignore[untyped-decorator]
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/clear")  # type: ignore[untyped-decorator]
    def clear() -> str:
        session.clear()
        return ""

    client = app.test_client()
    assert [client.get("/count").text for _ in range(2)] == ["1", "2"]
    assert len(site.admin.keys("session:*")) == 1
    client.get("/clear")
    assert site.admin.keys() == []
    assert denied(site) == []


@pytest.mark.nightly  # because it cannot be installed with the others: it asks for an old redis-py
def test_arq(site: RedisSite, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install = ("pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), "arq==0.28.0")
    subprocess.run([sys.executable, "-m", *install], check=True, timeout=120)
    monkeypatch.syspath_prepend(tmp_path)
    arq = import_module("arq")

    async def work() -> Any:
        jobs = run("arq")["jobs"]
        job = await jobs.enqueue_job("add", 1, 2)
        functions = [arq.func(add_later, name="add")]
        options = {"burst": True, "poll_delay": 0.1, "handle_signals": False}
        worker = arq.Worker(functions, redis_pool=jobs, allow_abort_jobs=True, **options)
        await worker.main()
        result = await job.result(timeout=5)
        await worker.close()
        return result

    assert asyncio.run(work()) == 3
    assert denied(site) == []


async def add_later(_: Any, one: int, other: int) -> int:
    return one + other


def test_python_socketio(site: RedisSite, run: Any) -> None:
    manager = run("python-socketio")["manager"]
    received = manager._listen()
    messages: list[Any] = []
    first = threading.Thread(target=lambda: messages.append(next(received)), daemon=True)
    first.start()
    assert eventually(lambda: site.admin.pubsub_numsub("socketio")[0][1] == 1)
    type(manager)(write_only=True)._publish({"method": "emit"})
    first.join(10)
    assert [json.loads(each) for each in messages] == [{"method": "emit"}]
    assert denied(site) == []
