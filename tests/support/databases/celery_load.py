"""Load on a Celery worker: a producer's tasks, and how often each was executed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app_integration._internal.private_file import write_private
from tests.support.databases.database import eventually
from tests.support.databases.redis_site import RedisSite
from tests.support.servers.dev_server import ROOT_TOKEN

#: What Celery needs, as docs/howto/Celery.md declares it.
RULES: Final = (
    *("~celery*", "~_kombu.*", "~unacked*", "~*.celery.pidbox*", "~*celeryev.*"),
    *("&celery-task-meta-*", "&/0.celery.pidbox", "&/0.celeryev/*", "&/0.celeryev/worker.*"),
    *("+ping", "+time", "+brpop", "+rpop", "+lpush", "+rpush", "+llen", "+sadd", "+srem"),
    *("+smembers", "+sismember", "+zadd", "+zrem", "+zrange", "+zrangebyscore", "+zcount"),
    *("+hset", "+hget", "+hdel", "+get", "+mget", "+set", "+setex", "+del", "+exists"),
    *("+expire", "+pexpire", "+multi", "+exec", "+watch", "+unwatch", "+evalsha"),
    *("+script|load", "+script|exists", "+publish", "+subscribe", "+unsubscribe"),
    *("+psubscribe", "+punsubscribe"),
)
#: As the how-to adapts them to database 3.
RULES_OF_3: Final = (*(rule.replace("&/0.", "&/3.") for rule in RULES), "+select")
TTL, MAX_TTL = 3, 4  # seconds, so that each process gets another user every two
_ROOT: Final = Path(__file__).parents[3]
_STOP_SECONDS: Final = 60.0
_PATIENCE: Final = 60.0  # seconds for progress


@dataclass
class CeleryLoad:
    """A worker and a producer with leased users."""

    site: RedisSite
    folder: Path
    database: int = 0
    users: set[str] = field(default_factory=set)

    def executed(self) -> Counter[int]:
        return Counter(map(int, (self.folder / "executed").read_text(encoding="ascii").split()))

    def wait_for_executions(self, count: int) -> None:
        """Wait until *count* more tasks were executed than now."""
        goal = self.executed().total() + count
        assert eventually(lambda: self.executed().total() >= goal, _PATIENCE), self.log()

    def wait_for_users(self, count: int) -> None:
        """Wait until *count* further users were leased."""
        goal = len(self.users) + count

        def leased() -> bool:
            self.users |= self.site.leased_users()
            return len(self.users) >= goal

        assert eventually(leased, _PATIENCE * max(1, count // 20)), self.log()

    def log(self) -> str:
        return (self.folder / "worker.log").read_text(encoding="utf-8")[-5000:]

    def check(self, found: dict[str, Any], breaks: int = 0) -> None:
        """Check what the producer *found*: each accepted task was executed, and has a result."""
        missing = set(found["accepted"]) - set(self.executed())
        assert len(missing) <= breaks, missing
        assert set(found["unanswered"]) <= missing

    @contextmanager
    def worker(self, pool: str) -> Iterator[None]:
        """Run a worker with two processes or threads."""
        options = ("--pool", pool, "--concurrency", "2", "--loglevel", "INFO")
        command = ("-m", "celery", "-A", "tests.support.processes.celery_app", "worker", *options)
        with (self.folder / "worker.log").open("wb") as log, ExitStack() as stack:
            worker = self._start(*command, stdout=log, stderr=log)
            stack.callback(_stop, worker)
            yield
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(_STOP_SECONDS) == 0, self.log()

    @contextmanager
    def producer(self) -> Iterator[dict[str, Any]]:
        """Send tasks until the block ends; what became of them is in the dict that it yields."""
        found: dict[str, Any] = {}
        with (self.folder / "producer.log").open("w+") as log, ExitStack() as stack:
            producer = self._start(
                *("-m", "tests.support.processes.celery_producer"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            stack.callback(_stop, producer)
            yield found
            out, _ = producer.communicate(timeout=_PATIENCE * 2)
            log.seek(0)
            assert producer.returncode == 0, log.read()[-5000:]
            found.update(json.loads(out))

    def _start(self, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=_ROOT, env=self._variables(), **streams
        )

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "STRONGROOM_SERVICE": "shop",
            "ENVIRONMENT": "dev",
            "VAULT_ADDR": self.site.address,
            "STRONGROOM_AUTH": "token",
            "STRONGROOM_TOKEN_FILE": str(self.folder / "token"),
            "STRONGROOM_AUDIT_FILE": str(self.folder / "access.jsonl"),
            "VISITS_REDIS": f"redis://127.0.0.1:{self.site.valkey.port}/{self.database}",
            "VISITS_EXECUTED": str(self.folder / "executed"),
        }


@contextmanager
def celery_load(
    site: RedisSite, folder: Path, pool: str, rules: Iterable[str] = RULES, database: int = 0
) -> Iterator[CeleryLoad]:
    """Run a worker whose users live for seconds; at the end all of them must be revoked."""
    site.configure_role(json.dumps([*rules]), TTL, MAX_TTL)
    write_private(folder / "token", ROOT_TOKEN)
    (folder / "executed").touch()
    load = CeleryLoad(site, folder, database)
    with load.worker(pool):
        yield load
    assert eventually(lambda: site.leased_users() == set())


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
