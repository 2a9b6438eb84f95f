"""Process that renders one file by the SDK, once or again and again, for ``deliver --from-sdk``.

It is a process of its own, so that the one that runs the application has no threads, no secrets and
no requests that it would wait for. Each result is a line of JSON on a pipe that nothing else
writes to, see :class:`.Rendering`. No line contains a secret.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from app_integration import settings
from app_integration._internal.backoff import backoff
from app_integration._internal.cli import ArgumentParser
from app_integration._internal.parent_death import end_with_parent
from app_integration.client import Client
from app_integration.config.renderer_process import Rendering
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.observability import redaction
from app_integration.rendering.renderer import Renderer, describe
from app_integration.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Render until SIGTERM, or once; return the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, exit_once)
    end_with_parent(options.parent, signal.SIGTERM)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # because a core dump would hold secrets
    redaction.install()
    with (
        os.fdopen(options.result, "w", encoding="utf-8") as pipe,
        closing(_results(options)) as results,
    ):
        for result in results:
            print(json.dumps(result), file=pipe, flush=True)
            if options.once:
                break
    return 0


def exit_once(*_: object) -> NoReturn:
    """Exit, so that the token is revoked. A second signal is ignored, as it would cut that off."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def _results(options: Namespace) -> Generator[Rendering]:
    """Yield the result of each attempt to render the file."""
    try:
        current = read_settings()
        with closing(Client(current)) as client:
            renderer = Renderer.of_client(options.skeleton, client)
            every = options.every or current.limits.cache_ttl
            yield from attempts(
                partial(renderer.write, options.staging), every, time.sleep, random.random
            )
    except (StrongroomError, OSError) as error:
        yield Rendering(describe(error), is_final=isinstance(error, ConfigurationError))


def attempts(
    write: Callable[[], None],
    every: float,
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> Iterator[Rendering]:
    """Yield the result of each attempt, with waits of *every* seconds, or less after a failure."""
    failures = 0
    while True:
        problem = None
        try:
            write()
            failures = 0
        except (StrongroomError, OSError) as error:
            problem, failures = describe(error), failures + 1
        yield Rendering(problem)
        sleep(min(every, backoff(failures, jitter())) if failures else every)


def read_settings() -> Settings:
    """Return the settings of the environment, without the delivered file as a source.

    Otherwise an outage would have the file rendered from itself.
    """
    found = settings.from_environment()
    return replace(found, sources=tuple(each for each in found.sources if each != "rendered"))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--skeleton", type=Path, required=True)
    parser.add_argument("--staging", type=Path, required=True)
    parser.add_argument("--every", type=float, help="seconds; that of the cache by default")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--parent", type=int, required=True, help="process with which it ends")
    parser.add_argument("--result", type=int, required=True, help="descriptor of the pipe")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
