"""Validation of a config in a process of its own: the model is the application's code.

Importing it may hang, print what it read, swallow every exception, take all memory, or end the
process. None of that is the delivery's end: the process has a time and a memory of its own, is
killed with all that it started, and says its verdict through a pipe that nothing else writes to.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, cast

from app_integration.config.file_reader import parse
from app_integration.config.loader import Model, describe
from app_integration.errors import ConfigRejected, StrongroomError
from app_integration.observability.secret_registry import SecretRegistry

SECONDS: Final = 15.0  # for the import of the model and the validation together
MEMORY: Final = 1024**3  # bytes of data, heap and stacks together

#: All that the process keeps of its parent's environment: a model has no use for an address or a
#: token.
KEPT_VARIABLES: Final = frozenset({"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TZ"})

_OUTPUT: Final = 64 * 1024  # bytes that are kept of what the model prints
_POLL: Final = 0.05  # seconds between two looks at the process
_LINES: Final = 20  # of it that are shown, the last ones
_WITHHELD: Final = "(a line that holds a value)"
_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model says of a document.

    Attributes:
        reason: why it doesn't fit, by field names; None if it does.
        final: whether the same document would get the same verdict again. Without that, time,
            memory or the model itself was the reason.
        output: lines that the model printed; those that hold a value of the document are withheld.

    """

    reason: str | None
    final: bool
    output: tuple[str, ...] = ()


def validate(model: str, data: bytes, path: Path, seconds: float | None = None) -> Verdict:
    """Return what *model* (``package.module:Class``) says of *data*.

    Args:
        model: found as this process would find it.
        data: the document.
        path: gives its format by its suffix, and is named in the verdict.
        seconds: until the process is killed; :data:`SECONDS` by default.

    """
    seconds = SECONDS if seconds is None else seconds
    with _process() as (process, result):
        request = {"model": model, "path": str(path), "sys_path": sys.path, "parent": os.getpid()}
        _send(process, json.dumps({**request, "result": result.writes}).encode(), data)
        ended, printed = _follow(process, seconds)
        verdict = _verdict(result.read())
    output = without_values(printed, path, data)
    if not ended:
        return Verdict(f"the model {model} took more than {seconds:g} s", False, output)
    if verdict is None:
        return Verdict(
            f"the model {model} ended its process (code {process.returncode})", False, output
        )
    return replace(verdict, output=output)


def _follow(process: subprocess.Popen[bytes], seconds: float) -> tuple[bool, list[str]]:
    """Wait for the end of *process*; whether it came in time, and the last lines it printed.

    The output is read meanwhile, so that it never waits for a reader. What the model started may
    hold the output open for longer, so that its end isn't waited for.
    """
    stdout, kept = cast(IO[bytes], process.stdout).fileno(), bytearray()
    os.set_blocking(stdout, False)
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while process.poll() is None and time.monotonic() < end:
            if selector.select(_POLL) and not _read(stdout, kept):
                break  # it closed its output, and goes on
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, end - time.monotonic()))
    _read(stdout, kept)
    return process.returncode is not None, kept.decode(errors="replace").splitlines()[-_LINES:]


def _read(stdout: int, kept: bytearray) -> bool:
    """Add what is there of *stdout* to *kept*, whose end stays; False when there is nothing."""
    try:
        part = os.read(stdout, _OUTPUT)
    except BlockingIOError:
        return False
    kept += part
    del kept[:-_OUTPUT]
    return bool(part)


class _Result:
    """The pipe that the verdict comes through."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        os.set_blocking(self.reads, False)

    def read(self) -> bytes:
        """All that was written; a process that the model left behind may hold the other end."""
        try:
            return os.read(self.reads, _OUTPUT)
        except BlockingIOError:
            return b""


@contextlib.contextmanager
def _process() -> Iterator[tuple[subprocess.Popen[bytes], _Result]]:
    """Start the process; at the end it and all that it started in its session are killed."""
    result = _Result()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={name: os.environ[name] for name in KEPT_VARIABLES & os.environ.keys()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[result.writes],
            start_new_session=True,
        )
        try:
            yield process, result
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            cast(IO[bytes], process.stdout).close()
    finally:
        os.close(result.reads)
        os.close(result.writes)


def _send(process: subprocess.Popen[bytes], request: bytes, data: bytes) -> None:
    """Write the request, a line, and the document. A process that ended already reads neither."""
    with contextlib.suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:
        stdin.write(request + b"\n" + data)


def _verdict(written: bytes) -> Verdict | None:
    try:
        return Verdict(**json.loads(written))
    except (TypeError, ValueError):
        return None


def without_values(lines: Sequence[str], path: Path, data: bytes) -> tuple[str, ...]:
    """Return *lines*, those withheld that hold a value of the document *data*."""
    if not lines:
        return ()
    try:
        values = frozenset(_leaves(parse(path, data)))
    except ConfigRejected:
        return tuple(_WITHHELD for _ in lines)
    register = SecretRegistry()  # knows a value by its other spellings, too
    for value in values:
        register.add(value)
    return tuple(
        _WITHHELD if any(value in line for value in values) else register.scrub(line)
        for line in lines
    )


def _leaves(document: object) -> Iterator[str]:
    if isinstance(document, Mapping):
        for value in document.values():
            yield from _leaves(value)
    elif isinstance(document, list):
        for value in document:
            yield from _leaves(value)
    elif document is not None and str(document):
        yield str(document)


def main() -> None:
    """Judge the document on standard input, as its first line asks."""
    request = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    _confine(request["parent"], request["result"])
    sys.path[:] = request["sys_path"]
    verdict = _judge(request["model"], data, Path(request["path"]))
    with contextlib.suppress(OSError, ValueError):  # the model may have closed them
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(request["result"], json.dumps(asdict(verdict)).encode())
    os._exit(0)  # what the model wants to do at the end is of no concern


def _confine(parent: int, result: int) -> None:
    """Bound this process: its memory, its life, and who may write the verdict."""
    os.set_inheritable(result, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold secrets
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above took effect
            os._exit(1)


def _judge(name: str, data: bytes, path: Path) -> Verdict:
    try:
        model = _load(name)
    except ConfigRejected as rejected:
        return Verdict(str(rejected), final=False)
    try:
        model.model_validate(parse(path, data))
    except ConfigRejected as rejected:
        return Verdict(str(rejected), final=True)
    except (StrongroomError, MemoryError, OSError) as error:
        return Verdict(f"the model {name} raised {type(error).__name__}", final=False)
    except Exception as error:  # noqa: BLE001 (a model's own validators may raise anything)
        return Verdict(f"{path} doesn't fit {model.__name__}: {describe(error)}", final=True)
    return Verdict(None, final=True)


def _load(name: str) -> type[Model]:
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (it runs the application's code)
        kind = type(error).__name__
        raise ConfigRejected(f"the model {name} can't be imported ({kind})") from None
    if not (isinstance(found, type) and hasattr(found, "model_validate")):
        raise ConfigRejected(f"the model {name} isn't a class with model_validate")
    return found


if __name__ == "__main__":
    main()
