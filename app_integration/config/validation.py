"""Validation of a config in a subprocess, because the model is the application's code.

Importing the model may hang, print what it read, swallow every exception, use up the memory or exit
the process. None of that may stop the delivery, so the subprocess has its own time and memory
limits, is killed with every process that it started, and returns its verdict through a pipe that
nothing else writes to.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, cast

from app_integration._internal.parent_death import end_with_parent
from app_integration.config.file_reader import parse
from app_integration.config.interpreter import Interpreter
from app_integration.config.loader import Model, describe_invalid_fields
from app_integration.errors import ConfigRejected, StrongroomError
from app_integration.observability.secret_registry import SecretRegistry

SECONDS: Final = 15.0  # for the import of the model and the validation together
MEMORY: Final = 1024**3  # bytes of data, heap and stacks together

_MAX_OUTPUT: Final = 64 * 1024  # bytes of the model's output that are kept, the last ones
_POLL_SECONDS: Final = 0.05  # between two checks of the process
_MAX_LINES: Final = 20  # of the model's output that are shown, the last ones
_WITHHELD: Final = "(a line that holds a value)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of validating a document.

    It is not *final* if time, memory or the import of the model was the reason. Lines of *output*
    that hold a value of the document are withheld.
    """

    reason: str | None
    final: bool
    output: tuple[str, ...] = ()


def validate(
    model: str,
    data: bytes,
    path: Path,
    interpreter: Interpreter | None = None,
    is_stopped: Callable[[], bool] = bool,
    seconds: float | None = None,
) -> Verdict:
    """Validate *data* by *model* in a subprocess, and return the verdict.

    The process is killed after *seconds*; None for :data:`SECONDS`. *interpreter* is None for that
    of this process, with its ``sys.path``.
    """
    seconds = SECONDS if seconds is None else seconds
    with _process(interpreter or Interpreter.own()) as (process, result):
        request = {"model": model, "path": str(path), "sys_path": sys.path, "parent": os.getpid()}
        content = json.dumps({**request, "result": result.writes}).encode() + b"\n" + data
        # In a thread, because an interpreter that hangs at its start does not read it.
        threading.Thread(target=_send, args=(process, content), daemon=True).start()
        ended, printed = _wait_for(process, seconds, is_stopped)
        verdict = _verdict(result.read())
    output = withhold_values(printed, path, data)
    if not ended:
        late = f"the model {model} took more than {seconds:g} s"
        return Verdict("the delivery was stopped" if is_stopped() else late, False, output)
    if verdict is None:
        return Verdict(
            f"the model {model} ended its process (code {process.returncode})", False, output
        )
    return replace(verdict, output=output)


def _wait_for(
    process: subprocess.Popen[bytes], seconds: float, is_stopped: Callable[[], bool]
) -> tuple[bool, list[str]]:
    """Wait until *process* exits; return whether it did in time, and its last output.

    The output is read, so that the process never blocks on a full pipe. A process that the model
    started may keep the output open for longer, so the end of the output is not awaited.
    """
    stdout, kept = cast(IO[bytes], process.stdout).fileno(), bytearray()
    os.set_blocking(stdout, False)
    end, is_open = time.monotonic() + seconds, True
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while process.poll() is None and time.monotonic() < end and not is_stopped():
            if is_open:
                is_open = not selector.select(_POLL_SECONDS) or _read(stdout, kept)
            else:  # the process closed its output but still runs
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
    _read(stdout, kept)
    return process.returncode is not None, kept.decode(errors="replace").splitlines()[-_MAX_LINES:]


def _read(stdout: int, kept: bytearray) -> bool:
    """Append the available output to *kept* and trim that; return False if there is none."""
    try:
        part = os.read(stdout, _MAX_OUTPUT)
    except BlockingIOError:
        return False
    kept += part
    del kept[:-_MAX_OUTPUT]
    return bool(part)


class _VerdictPipe:
    """A pipe that carries the verdict."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        os.set_blocking(self.reads, False)

    def read(self) -> bytes:
        """Return the bytes written so far, without waiting for the end of the pipe.

        A process that the model left behind may keep the other end open.
        """
        try:
            return os.read(self.reads, _MAX_OUTPUT)
        except BlockingIOError:
            return b""


@contextlib.contextmanager
def _process(
    interpreter: Interpreter,
) -> Iterator[tuple[subprocess.Popen[bytes], _VerdictPipe]]:
    """Start the subprocess; at the end kill it and every process in its session."""
    result = _VerdictPipe()
    try:
        process = subprocess.Popen(
            interpreter.command,
            env=interpreter.variables,
            cwd=interpreter.folder,
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


def _send(process: subprocess.Popen[bytes], content: bytes) -> None:
    """Write the request as one line, and the document. A process that has exited reads neither."""
    with contextlib.suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:
        stdin.write(content)


def _verdict(written: bytes) -> Verdict | None:
    """Return the verdict. One of another version may have further keys."""
    try:
        found = json.loads(written)
        return Verdict(found["reason"], found["final"])
    except (KeyError, TypeError, ValueError):
        return None


def withhold_values(lines: Sequence[str], path: Path, data: bytes) -> tuple[str, ...]:
    """Return *lines* with those replaced that hold a value of the document *data*."""
    if not lines:
        return ()
    try:
        values = frozenset(_leaves(parse(path, data)))
    except ConfigRejected:
        return tuple(_WITHHELD for _ in lines)
    registry = SecretRegistry()  # because it recognizes the encoded forms of a value, too
    for value in values:
        registry.add(value)
    return tuple(
        _WITHHELD if any(value in line for value in values) else registry.scrub(line)
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
    """Validate the document on standard input; its first line is the request."""
    request = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    _confine(request["parent"], request["result"])
    sys.path[:] = request["sys_path"]
    verdict = _judge(request["model"], data, Path(request["path"]))
    with contextlib.suppress(OSError, ValueError):  # because the model may have closed them
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(request["result"], json.dumps(asdict(verdict)).encode())
    os._exit(0)  # so that no exit handler of the model runs


def _confine(parent: int, result: int) -> None:
    """Limit memory and lifetime of this process, and keep the verdict pipe from its children."""
    os.set_inheritable(result, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # because a core dump would hold secrets
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    end_with_parent(parent, signal.SIGKILL)


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
        return Verdict(
            f"{path} is not valid for {model.__name__}: {describe_invalid_fields(error)}",
            final=True,
        )
    return Verdict(None, final=True)


def _load(name: str) -> type[Model]:
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (it runs the application's code)
        where = f"by {sys.executable} from {sys.path[0]}"
        kind = type(error).__name__
        # A name of a module, but no other text of an error, because that may contain anything.
        missing = f": {error.name}" if isinstance(error, ModuleNotFoundError) else ""
        raise ConfigRejected(
            f"the model {name} cannot be imported {where} ({kind}{missing}); correct its name, "
            "or install what it imports"
        ) from None
    if not (isinstance(found, type) and hasattr(found, "model_validate")):
        raise ConfigRejected(
            f"the model {name} is not a class with model_validate; name a pydantic model"
        )
    return found


if __name__ == "__main__":
    main()
