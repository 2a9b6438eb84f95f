"""Example application that a page moves off its `.env` file and back.

The page's differences are undone in a copy of the example, which makes the application of before.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until
from tests.support.processes.application import ROOT

PACKAGE: Final = "tracking"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Page:
    """Page of a framework in ``docs/howto``."""

    name: str

    def blocks(self, language: str) -> list[str]:
        text = (ROOT / "docs" / "howto" / f"{self.name}.md").read_text(encoding="utf-8")
        return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    def env(self, urls: Mapping[str, str]) -> str:
        """Return the `.env` file with other *urls*, after the scheme, in its variables."""
        (text,) = self.blocks("env")
        for name, url in urls.items():
            text = re.sub(f"^({name}=.+?://).*$", rf"\g<1>{url}", text, flags=re.MULTILINE)
        return text

    def commands(self, service: str) -> list[str]:
        """Return the blocks with commands of the tool, but for that of the SDK's wheel."""
        blocks = [each for each in self.blocks("sh") if "sdk-wheel" not in each]
        own = f"--service {service}"
        return [each.replace("--service tracking", own) for each in blocks if "strongroom " in each]

    def files(self, language: str) -> Iterator[tuple[str, str]]:
        """Yield path and text of each block that begins with the path of a file."""
        for block in self.blocks(language):
            head, _, text = block.partition("\n")
            if found := re.fullmatch(r" ?# (\S+/\S+)", head):
                yield found[1], text


def undo(text: str, difference: str) -> str:
    """Return *text* as it was before *difference*, whose parts are separated by `` …``."""
    for part in re.split("^ …\n", difference, flags=re.MULTILINE):
        lines = part.splitlines()
        after, before = (_side(lines, sign) for sign in "+-")
        assert text.count(after) == 1, after
        text = text.replace(after, before)
    return text


def _side(lines: list[str], sign: str) -> str:
    return "".join(f"{line[1:]}\n" for line in lines if line[:1] in ("", " ", sign))


class MovedApplication:
    """Application in *folder*, a copy of ``examples/<example>`` as the package ``tracking``."""

    def __init__(self, folder: Path, example: str, page: Page) -> None:
        self.folder, self.page = folder, page
        self._source = ROOT / "examples" / example
        folder.mkdir()
        self.env = folder / ".env"
        self.log = folder / "log"

    def write(self, *, is_moved: bool) -> None:
        """Write the code of after the move, or of before it."""
        shutil.rmtree(self.folder / PACKAGE, ignore_errors=True)
        for source in filter(Path.is_file, self._source.rglob("*")):
            path = self.folder / PACKAGE / source.relative_to(self._source)
            if path.suffix in (".py", ".ini"):
                path.parent.mkdir(parents=True, exist_ok=True)
                text = source.read_text(encoding="utf-8")
                path.write_text(text.replace(f"examples.{self._source.name}", PACKAGE))
        for path_name, difference in () if is_moved else self.page.files("diff"):
            path = self.folder / path_name
            path.write_text(undo(path.read_text(), difference))

    def run(self, *command: str, variables: Mapping[str, str]) -> str:
        """Run a module of Python in the application's folder, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=self._variables(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def write_tests(self) -> None:
        """Write the files of tests that the page has."""
        for path_name, text in self.page.files("python"):
            (self.folder / path_name).write_text(text, encoding="utf-8")

    @contextmanager
    def running(
        self, *command: str, variables: Mapping[str, str], log: str = "log"
    ) -> Iterator[Running]:
        """Run a module of Python during the block, and end it by SIGTERM."""
        path = self.folder / log
        with path.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.folder,
                env=self._variables(variables),
                stdout=output,
                stderr=output,
            )
        try:
            yield Running(process, path)
            process.terminate()
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def serving(self, *command: str, variables: Mapping[str, str]) -> Iterator[str]:
        """Run a server on a free port during the block, and yield its URL."""
        (port,) = free_ports(1)
        filled = [word.format(port=port) for word in command]
        with self.running(*filled, variables=variables) as running:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: running.answers(f"{url}/links/P-1"), "a response", START_SECONDS)
            yield url

    def _variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        return {**kept, **variables}


@dataclass(frozen=True)
class Running:
    """Process of an application, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def answers(self, url: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(url, timeout=30).ok
        except requests.ConnectionError:
            return False

    def has_logged(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()
