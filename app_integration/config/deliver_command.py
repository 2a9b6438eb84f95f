"""Command ``deliver``: deliver a rendered config once, or each time that it is rendered.

An agent renders it, or the SDK does, with ``--from-sdk``.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from app_integration._internal.cli import ArgumentParser, split_command
from app_integration._internal.private_file import lock
from app_integration.config import application_page
from app_integration.config.application import ChildApplication, SeparateApplication
from app_integration.config.confirmation import SETTLE, WITHIN, Health
from app_integration.config.deliver import (
    Target,
    deliver_or_wait,
    describe_error,
    record_not_rendered,
)
from app_integration.config.delivery_status import State
from app_integration.config.delivery_watch import Clock, DeliveryWatch
from app_integration.config.file_access import FileAccess
from app_integration.config.reload import Reload
from app_integration.config.renderer_process import RendererProcess
from app_integration.config.watch_process import WatchProcess
from app_integration.errors import ConfigurationError, StrongroomError

MIN_EVERY: float = 1.0  # seconds between two renderings by the SDK
MAX_EVERY: float = 86_400.0


def main(arguments: Sequence[str]) -> int:
    """Run the command ``deliver``."""
    parser = _parser()
    own, command = split_command(arguments)
    options = parser.parse_args(own)
    problem = _find_wrong_usage(options, command)
    if problem is not None:
        parser.error(problem)
    try:
        return _deliver_once(options) if options.watch is None else _watch(options, command)
    except (OSError, StrongroomError) as error:
        print(f"{options.live}: {describe_error(error)}")  # noqa: T201 (a command's output)
        return 0 if options.never_fail else 1


def _deliver_once(options: argparse.Namespace) -> int:
    target = Target(options.live, options.model, FileAccess.from_environment())
    reason = _render_once(options)
    if reason is None:
        state, reason = deliver_or_wait(options.staging, target, now=_now())
    else:
        state = State.WAITING
        record_not_rendered(options.staging, options.live, reason, now=_now())
    print(f"{options.live}: {state}{f': {reason}' if reason else ''}")  # noqa: T201 (a command's output)
    return 0 if state.is_live or options.never_fail else 1


def _render_once(options: argparse.Namespace) -> str | None:
    """Render the staging file if the SDK is to; return why that failed, or None."""
    if options.from_sdk is None:
        return None
    return RendererProcess(options.from_sdk, options.staging, None).render_once()


def _watch(options: argparse.Namespace, command: Sequence[str] | None) -> int:
    access = FileAccess.from_environment()
    target = Target(options.live, options.model, access)
    application = SeparateApplication() if command is None else ChildApplication(command)
    health = Health(options.health, options.within, options.settle)
    clock = Clock(time.monotonic, time.sleep, _now, random.random)
    renderer = None
    if options.from_sdk is not None:
        renderer = RendererProcess(options.from_sdk, options.watch, options.every)
    watch = DeliveryWatch(options.watch, target, application, options.reload, health, clock)
    with ExitStack() as stack:
        stack.enter_context(_only_watch(options.live))
        if renderer is not None:
            stack.callback(renderer.stop)
        stack.callback(application.stop)
        return WatchProcess(watch, renderer).run()


@contextmanager
def _only_watch(live: Path) -> Iterator[None]:
    """Hold the lock of the one watch of *live* during the block."""
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(live.with_name(f".{live.name}.watch"), wait=False))
        except BlockingIOError:
            raise ConfigurationError("another delivery watches this file; stop it first") from None
        yield


def _now() -> datetime:
    return datetime.now(tz=UTC)


def _find_wrong_usage(options: argparse.Namespace, command: Sequence[str] | None) -> str | None:
    """Return the conflict between options that are valid one by one, or None."""
    if options.every is not None and (options.watch is None or options.from_sdk is None):
        return "--every is for --watch with --from-sdk"
    if options.watch is None:
        return None if command is None else "only --watch takes a command"
    reload, is_alone = options.reload, command is None
    rules = (
        (not is_alone and not command, "there is no command after --"),
        (options.never_fail, "--never-fail is for --staging"),
        (
            is_alone and (reload.is_restart or reload.is_signal),
            f"--reload {reload.text} needs the application's command, after --",
        ),
        (
            # With --from-sdk the model may be the whole check, as it is for an agent's delivery.
            is_alone and options.health is None and options.from_sdk is None,
            "without the application's command, --health is needed to see how it runs",
        ),
        (
            not 0 <= options.settle <= options.within,
            "--settle must be at least 0, and not above --within",
        ),
    )
    return next((message for is_broken, message in rules if is_broken), None)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app_integration deliver",
        usage="%(prog)s (--staging FILE | --watch FILE) --live FILE --model MODEL "
        "[--from-sdk SKELETON] [options] [-- COMMAND …]",
        description="Validate a rendered config and copy it to where the application reads it.",
    )
    staging = parser.add_mutually_exclusive_group(required=True)
    staging.add_argument("--staging", type=Path, help="deliver this rendered file once")
    staging.add_argument(
        "--watch",
        type=Path,
        help="deliver this file each time that it is rendered, and run COMMAND, the application",
    )
    parser.add_argument(
        "--live", type=Path, required=True, help="the file that the application reads"
    )
    parser.add_argument("--model", type=_model_name, required=True, help="package.module:Class")
    parser.add_argument(
        "--never-fail",
        action="store_true",
        help="exit 0 even if the file is rejected, because an agent exits if its command fails",
    )
    parser.add_argument(
        "--from-sdk",
        type=Path,
        metavar="SKELETON",
        help="render the file from this compiled template, with secrets that the SDK reads",
    )
    _add_watch_options(parser)
    return parser


def _add_watch_options(parser: ArgumentParser) -> None:
    """Add the options that only ``--watch`` uses."""
    watch = parser.add_argument_group("with --watch")
    watch.add_argument(
        "--reload",
        type=_reload,
        default=Reload(),
        help="how the application is told: none (default, it notices), restart, a signal such as "
        "SIGHUP, or a URL to POST to",
    )
    watch.add_argument(
        "--health",
        type=_url,
        metavar="URL",
        help="answers 200 to 299 while the application is healthy (default: while it runs)",
    )
    watch.add_argument(
        "--within",
        type=float,
        default=WITHIN,
        metavar="SECONDS",
        help=f"roll back if the application is not healthy on a file by then ({WITHIN:g})",
    )
    watch.add_argument(
        "--settle",
        type=float,
        default=SETTLE,
        metavar="SECONDS",
        help=f"how long it must be healthy without a break ({SETTLE:g})",
    )
    watch.add_argument(
        "--every",
        type=_seconds,
        metavar="SECONDS",
        help="with --from-sdk: how often the secrets are read (default: the SDK's cache TTL)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not MIN_EVERY <= seconds <= MAX_EVERY:
        raise argparse.ArgumentTypeError(f"{text} s; expected {MIN_EVERY:g} to {MAX_EVERY:g}")
    return seconds


def _reload(text: str) -> Reload:
    try:
        return Reload.parse(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _url(text: str) -> str:
    try:
        return application_page.check_url(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _model_name(text: str) -> str:
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), attribute]
    if not (colon and all(name.isidentifier() for name in names)):
        raise argparse.ArgumentTypeError(f"{text!r}; expected package.module:Class")
    return text
