"""Application that a delivery watches: the command ``deliver --watch``, and a small web service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from app_integration._internal.private_file import stamp, write_private
from app_integration.config.delivery_status import Status, read_status
from app_integration.config.trial import last_good_file
from tests.support.polling import wait_until

ROOT: Final = Path(__file__).parents[3]

#: Without pydantic, whose import takes longer than all else that a delivery does.
MODEL: Final = """
class Config:
    value: str

    @classmethod
    def model_validate(cls, document):
        if not isinstance(document["value"], cls.__annotations__["value"]):
            raise ValueError
"""
#: Reads its file at the start, at SIGHUP and at POST /reload; with a third argument, at each GET.
#: GET /health says how it is on it. GET /orphan leaves a process, and returns its id.
APPLICATION: Final = """
import http.server, json, os, signal, subprocess, sys, time
from pathlib import Path

live, port = Path(sys.argv[1]), int(sys.argv[2])
config, got = {}, []

def load(*_):
    config.update(json.loads(live.read_bytes()))
    if config["mood"] == "crash":
        os._exit(3)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if sys.argv[3:]:
            load()
        if self.path == "/orphan":
            got[:] = subprocess.check_output(["sh", "-c", "sleep 0.1 >/dev/null & echo $!"]).split()
        pages = {"/health": config["mood"], "/value": str(config["value"])}
        if self.path == "/worker":
            got[:] = [str(subprocess.Popen(["sleep", "600"]).pid).encode()]
        ill = self.path == "/health" and config["mood"] == "ill"
        if self.path == "/health" and config["mood"].startswith("slow"):
            return self.drip(config["mood"])
        self.send_response(503 if ill else 200)
        self.end_headers()
        self.wfile.write(pages[self.path].encode() if self.path in pages else b" ".join(got))
    def drip(self, mood):
        if mood == "slow-body":
            self.wfile.write(b"HTTP/1.0 503 Ill\\r\\n\\r\\n")
        try:
            for byte in b"HTTP/1.0 503 Ill" * 9:
                self.wfile.write(bytes([byte]))
                time.sleep(0.3)
        except OSError:
            pass
    def do_POST(self):
        load()
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass

load()
signal.signal(signal.SIGHUP, load)
signal.signal(signal.SIGUSR1, lambda *_: got.append(b"USR1"))
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@dataclass
class WatchedApplication:
    """One application, the file that it reads, and the command that delivers it."""

    folder: Path
    port: int
    options: Sequence[str] = ("--reload", "SIGHUP", "--within", "5", "--settle", "0.1")
    is_child: bool = True
    notices: bool = False
    output: Path = field(init=False)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, text in (("models.py", MODEL), ("application.py", APPLICATION)):
            (self.folder / name).write_text(text)
        self.staging.parent.mkdir(mode=0o700)
        self.output = self.folder / "output"

    @property
    def staging(self) -> Path:
        return self.folder / "staging" / "app.json"

    @property
    def live(self) -> Path:
        return self.folder / "live" / "app.json"

    @property
    def application(self) -> list[str]:
        program = str(self.folder / "application.py")
        arguments = [str(self.live), str(self.port), *(["notices"] if self.notices else [])]
        return [sys.executable, program, *arguments]

    def start(self, *wrapper: str) -> subprocess.Popen[bytes]:
        """Start the command, with *wrapper* before it."""
        files = ["--watch", str(self.staging), "--live", str(self.live)]
        health = ["--health", f"http://127.0.0.1:{self.port}/health"]
        command = [sys.executable, "-m", "app_integration", "deliver", *files, *health]
        command += ["--model", "models:Config", *self.options]
        return self.run([*wrapper, *command, *(["--", *self.application] if self.is_child else ())])

    def start_on(self, value: str) -> subprocess.Popen[bytes]:
        """Render *value*, start the command, and wait until the application runs on it."""
        self.render(value)
        process = self.start()
        self.wait_for(value)
        self.outcome()
        return process

    def run(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a process, which :meth:`end` ends."""
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=output,
            )
        self._started.append(process)
        return process

    def render(self, value: str | int, mood: str = "well") -> None:
        write_private(self.staging, json.dumps({"value": value, "mood": mood}))

    def outcome(self) -> Status:
        """Wait until the delivery of the rendered file is decided; return its status."""

        def decided() -> Status | None:
            status = read_status(self.live)
            is_tried = status is not None and status.staged == stamp(self.staging)
            return status if is_tried and not last_good_file(self.live).exists() else None

        found = wait_until(decided, "a decision")
        assert found is not None
        return found

    def get(self, page: str) -> str | None:
        """Return a page of the application; None if it does not answer."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/{page}", timeout=10).text
        except requests.RequestException:  # a busy machine may answer too late
            return None

    def wait_for(self, value: str) -> None:
        wait_until(lambda: self.get("value") == value, f"the value {value}")

    def events(self) -> list[dict[str, Any]]:
        lines = self.output.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def count(self, event: str) -> int:
        return sum(each["event"] == event for each in self.events())

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(20)
