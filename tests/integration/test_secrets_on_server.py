"""Cache and forms of secrets on a real server, counted in its audit log."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.client import Client
from app_integration.errors import SecretNotFound, SecretsMissing, WrongType
from app_integration.settings import Limits
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
THREADS: Final = 64
PROCESSES: Final = 4
PATIENCE: Final = 20.0  # seconds for a thread or process to do its work
NAME: Final = "smtp-password"
PATH: Final = f"secret/data/gaara-store/dev/{NAME}"
ROLE: Final = "gaara-store-dev"  # the application's; its agent reads the same path under another

#: What each of several processes runs: threads that all miss one name at the same time.
HERD: Final = f"""
import sys, threading
from app_integration import close, get_secret
sys.setswitchinterval(1e-5)
gate, got = threading.Barrier({THREADS}), []
def ask():
    gate.wait()
    got.append(get_secret({NAME!r}))
threads = [threading.Thread(target=ask) for _ in range({THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(got) == {THREADS} and len(set(got)) == 1
close()
"""


@pytest.fixture
def versions(deployment: Deployment) -> Iterator[list[str]]:
    """Write three versions of :data:`NAME`, and restore its first one at the end."""
    first = deployment.operator.get(PATH)["data"]
    written = [first["data"]["value"], "second-of-three", "third-of-three"]
    for value in written[1:]:
        deployment.operator.post(PATH, {"data": {"value": value, "user": f"of {value}"}})
    yield written
    deployment.operator.post(PATH, {"data": first["data"]})


def readers(deployment: Deployment) -> Counter[str]:
    """Return how often each of the application's tokens has read :data:`NAME`."""
    lines = map(json.loads, deployment.audit_lines(PATH, ROLE))
    return Counter(line["auth"]["client_token"] for line in lines)


def new_reads(deployment: Deployment, before: Counter[str]) -> list[int]:
    """Return how often each token that was not among *before* has read :data:`NAME`.

    Applications of other tests may refresh their secrets in the background meanwhile.
    """
    return [count for token, count in readers(deployment).items() if token not in before]


def newest(service: Client) -> int:
    service.secrets.get(NAME, force_refresh=True)
    info = service.secrets.get_info(NAME)
    assert info is not None
    assert isinstance(info.version, int)
    return info.version


def test_threads_in_several_processes_send_one_request_per_process(
    deployment: Deployment,
) -> None:
    before = readers(deployment)
    processes = [
        subprocess.Popen([sys.executable, "-c", HERD], cwd=ROOT, env=deployment.variables)
        for _ in range(PROCESSES)
    ]
    assert [process.wait(PATIENCE) for process in processes] == [0] * PROCESSES
    assert new_reads(deployment, before) == [1] * PROCESSES


def test_tasks_and_threads_with_same_miss_send_one_request(
    deployment: Deployment, service: Client
) -> None:
    before, gate = readers(deployment), threading.Barrier(THREADS + 1)

    def ask() -> None:
        gate.wait()
        service.secrets.get(NAME)

    async def tasks() -> None:
        secrets = service.async_secrets
        gate.wait()
        await asyncio.gather(*(secrets.get(NAME) for _ in range(THREADS)))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    assert new_reads(deployment, before) == [1]


def test_versions_fields_and_types_are_read_as_written(
    versions: list[str], service: Client
) -> None:
    last = newest(service)
    secrets = service.secrets
    got = [secrets.get(NAME, version=last - back) for back in (2, 1, 0)]
    assert got == versions
    assert secrets.get(NAME, field="user") == "of third-of-three"
    assert secrets.get(NAME, version=last - 1, field="user") == "of second-of-three"
    with pytest.raises(SecretNotFound, match="no text under the field 'port'"):
        secrets.get(NAME, field="port")
    with pytest.raises(SecretNotFound, match=f"no version {last + 1}"):
        secrets.get(NAME, version=last + 1)
    with pytest.raises(WrongType):
        secrets.get(NAME, as_type=int)


def test_previous_version_is_returned_until_destroyed(
    deployment: Deployment, versions: list[str]
) -> None:
    with_service = Client(deployment.settings)
    last = newest(with_service)
    secrets = with_service.secrets
    assert secrets.current_and_previous(NAME) == (versions[-1], versions[-2])
    assert secrets.current_and_previous(NAME, grace=3600) == (versions[-1], versions[-2])
    assert secrets.current_and_previous(NAME, grace=-3600) == (versions[-1], None)
    destroy = PATH.replace("/data/", "/destroy/")
    deployment.operator.post(destroy, {"versions": [last - 1]})
    with_service.close()
    fresh = Client(deployment.settings)
    assert fresh.secrets.current_and_previous(NAME) == (versions[-1], None)
    fresh.close()


def test_require_lists_missing_names_with_policy_rule(service: Client) -> None:
    with pytest.raises(SecretsMissing) as caught:
        service.secrets.require([NAME, "payment-key", "jwt-secret", "mail/archive-key"])
    assert caught.value.denied == ("payment-key", "mail/archive-key")
    for name in caught.value.denied:
        rule = f'path "secret/data/gaara-store/dev/{name}" {{ capabilities = ["read"] }}'
        assert rule in str(caught.value)


@pytest.mark.usefixtures("versions")
def test_rotation_is_reported_by_background_thread(deployment: Deployment) -> None:
    settings = replace(deployment.settings, limits=Limits(cache_ttl=1.0))
    service, told = Client(settings), queue.Queue[Any]()
    service.secrets.get(NAME)
    service.secrets.on_change(NAME, told.put)
    deployment.operator.post(PATH, {"data": {"value": "fourth"}})
    assert told.get(timeout=PATIENCE) == "fourth"
    assert service.secrets.get(NAME) == "fourth"
    service.close()
