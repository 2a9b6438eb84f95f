"""Command ``rotate``: one rotation, all that are due, or their state."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError, StrongroomError
from console.commands.rotate.aws_rotation import rotate_on_aws
from console.options import (
    AuditLog,
    DryRun,
    Env,
    Host,
    Prometheus,
    Root,
    ServiceFilter,
    Store,
    WrapTtl,
    build_duration_parser,
)
from console.target.audit_logs.response_log import check_audit_logs
from console.target.environment_ledger import KINDS_ON_AWS
from console.target.environment_rotations import Rotations, open_rotations
from console.target.evidence_sources import EvidenceSources
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import Target, open_target
from console.views.output_files import CREDENTIAL_FOLDER
from console.views.restarts import describe_rotation
from console.views.rotation import RotationView
from vault.dotenv.worktree import check_ignored
from vault.rotation.handover import Handover
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.rotation import OwnedElsewhere, Result

out = Console(soft_wrap=True)

_Name = Annotated[str | None, typer.Argument(help="a name in the ledger")]
_Kind = Annotated[Kind | None, typer.Option("--kind", help="the kind, if several have the name")]
_Due = Annotated[bool, typer.Option("--due", help="all that are overdue or under way")]
_Status = Annotated[bool, typer.Option("--status", help="show the state only")]
_Undo = Annotated[bool, typer.Option("--undo", help="go back to the old value")]
_Compromised = Annotated[
    bool, typer.Option("--compromised", help="it has leaked: retire the old value at once")
]
_Retired = Annotated[
    bool,
    typer.Option(
        "--retired", help="you have retired the value that no hook could retire, as it is lost"
    ),
]
_Wait = Annotated[
    int | None,
    typer.Option(
        "--wait",
        parser=build_duration_parser("--wait"),
        metavar="DURATION",
        help="wait so long for the consumers: 10m",
    ),
]
_Out = Annotated[Path | None, CREDENTIAL_FOLDER]


#: Options of evidence and handover, which an environment on AWS does not have.
_VAULT_ONLY: Final = ("--audit-log", "--store", "--prometheus", "--out", "--host", "--wrap-ttl")


@dataclass(frozen=True, slots=True)
class _Options:
    """Options that say what is done. See the help of each."""

    due: bool
    status: bool
    dry_run: bool
    undo: bool
    compromised: bool
    wait: int | None
    retired: bool = False

    def check(self, name: str | None, kind: Kind | None) -> None:
        """Check that the options go together."""
        due, status, dry_run = self.due, self.status, self.dry_run
        # An empty name, such as that of an unset variable, is none.
        if bool(name) == (due or status) and not (name and status):
            raise typer.BadParameter("pass a name, --due or --status")
        if kind is not None and not name:
            raise typer.BadParameter("--kind is for the rotation of one name; leave it out")
        if due + status + self.undo + self.compromised + dry_run > 1 + (due and dry_run):
            raise typer.BadParameter("pass one of --status, --undo, --compromised and --dry-run")
        if self.retired and (due or status or dry_run):
            raise typer.BadParameter("--retired is for the rotation of one name; leave it out")
        if self.wait is not None and (due or status or self.undo or self.compromised or dry_run):
            raise typer.BadParameter("--wait is for the rotation of one name; leave it out")

    def check_aws(self, kind: Kind | None, *others: object) -> None:
        """Check that the options are those for an environment on AWS."""
        changes = self.due, self.dry_run, self.undo, self.compromised, self.retired
        if any(changes) or self.wait is not None:
            raise typer.BadParameter(
                "on AWS, a function rotates: pass a name to begin a rotation, or --status"
            )
        wrong = "--kind" if kind not in {None, *KINDS_ON_AWS} else ""
        given = zip(("--kind", *_VAULT_ONLY), (wrong, *others), strict=True)
        if passed := [option for option, value in given if value]:
            raise typer.BadParameter(
                f"on AWS, a function rotates secrets only: leave out {', '.join(passed)}"
            )


def rotate(
    env: Env,
    name: _Name = None,
    service: ServiceFilter = None,
    kind: _Kind = None,
    due: _Due = False,
    status: _Status = False,
    dry_run: DryRun = False,
    undo: _Undo = False,
    compromised: _Compromised = False,
    retired: _Retired = False,
    wait: _Wait = None,
    audit_log: AuditLog = None,
    store: Store = None,
    prometheus: Prometheus = None,
    folder: _Out = None,
    host: Host = None,
    wrap_ttl: WrapTtl = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Rotate a secret, key or credential, and end the old one when no consumer needs it.

    Run the command again to continue, also after a kill. --undo goes back, until the old value is
    being ended.
    """
    options = _Options(due, status, dry_run, undo, compromised, wait, retired)
    options.check(name, kind)
    target, view = open_target(env, root), RotationView(out)
    if target.is_on_aws:
        options.check_aws(kind, audit_log, store, prometheus, folder, host, wrap_ttl)
        rotate_on_aws(out, target, service, name)
        return
    evidence = EvidenceSources(target, audit_log or (), store, prometheus)
    if not compromised:  # because nothing holds up an emergency
        _check_audit_logs(evidence)
    if folder is not None:
        check_ignored(folder)
    handover = Handover(out=folder, host=host, wrap_ttl=wrap_ttl)
    with (
        _report_interruption(options),
        open_rotations(evidence, service, view.show_step, handover) as rotations,
    ):
        item = rotations.find(name, kind) if name else None
        _check_handover((item,) if item else (), handover)
        _run(rotations, view, item, options, target)


def _run(
    rotations: Rotations, view: RotationView, item: Item | None, options: _Options, target: Target
) -> None:
    """Do what the options say with *item*, or with all items if it is None."""
    if options.status:
        items = rotations.items if item is None else [item]
        view.show_states((each, rotations.read_record(each)) for each in items)
    elif item is None:
        _rotate_due(rotations, view, target, is_dry=options.dry_run)
    else:
        _rotate_one(rotations, view, item, options, target)


def _rotate_one(
    rotations: Rotations, view: RotationView, item: Item, options: _Options, target: Target
) -> None:
    if options.retired:
        rotations = rotations.confirm_retired()
    if options.undo:
        view.show_result(item, Result(rotations.rotation(item).undo()))
    elif options.dry_run:
        _preview(rotations, view, item)
    else:
        patience = options.wait or 0
        result = rotations.run(item, is_compromised=options.compromised, patience=patience)
        view.show_result(item, result)
        _show_restarts(target, view, item, result)


def _show_restarts(target: Target, view: RotationView, item: Item, result: Result) -> None:
    """Show who has the old value of a secret whose new one is in use."""
    where = target.declaration, target.environment
    for line in describe_rotation(*where, item, result.record, target.access_records):
        view.say(line)


def _check_audit_logs(evidence: EvidenceSources) -> None:
    """Raise a usage error if a log cannot be opened, before a new value is promoted."""
    try:
        check_audit_logs(evidence.audit_logs, evidence.store)
    except OSError as error:
        raise typer.BadParameter(
            f"--audit-log {error.filename} cannot be read: {error.strerror or error}; name a file "
            "of the audit device, or the folder of an archive"
        ) from None


def _check_handover(named: Collection[Item], handover: Handover) -> None:
    """Raise a usage error if options of secret-ids are passed for another kind."""
    if not (handover.out or handover.host or handover.wrap_ttl):
        return
    if handover.host and not named:
        raise typer.BadParameter("--host is for the rotation of one name; leave it out")
    for item in named:
        if item.kind is not Kind.SECRET_ID:
            raise typer.BadParameter(
                f"--out, --host and --wrap-ttl are for secret-ids, and {item.name} is a "
                f"{item.kind}; leave them out"
            )


def _rotate_due(rotations: Rotations, view: RotationView, target: Target, *, is_dry: bool) -> None:
    """Run all that must be run. One that fails does not keep the others from running."""
    failed: list[Item] = []
    due: list[Item] = []
    for item in rotations.items:
        with _report_failure(view, item, failed):
            if rotations.is_due(item):
                due.append(item)
    if not due and not failed:
        view.say("nothing is due; 'strongroom ledger' shows what will be, and when")
    rotations.expect(due)
    for item in due:
        with _report_failure(view, item, failed):
            if is_dry:
                _preview(rotations, view, item)
            elif rotations.is_due(item):  # because another run may have finished it since
                view.show_result(item, result := rotations.run(item))
                _show_restarts(target, view, item, result)
    if failed:
        names = ", ".join(item.name for item in failed)
        raise ConfigurationError(f"not rotated: {names}; see above")


@contextmanager
def _report_interruption(options: _Options) -> Iterator[None]:
    """Print the way back if the block is interrupted and may have changed values."""
    try:
        yield
    except KeyboardInterrupt:
        if not (options.status or options.dry_run):
            undo = "pass the name and --undo" if options.due else "pass --undo"
            typer.echo(f"\nA rotation that has begun is under way; to go back, {undo}.", err=True)
        raise


@contextmanager
def _report_failure(view: RotationView, item: Item, failed: list[Item]) -> Iterator[None]:
    """Print an error of *item*, and add the item to *failed* unless only its owner can act."""
    try:
        yield
    except OwnedElsewhere as error:
        view.say(f"{item.name} is due: {error}")
    except (StrongroomError, OSError) as error:
        view.say(f"✗ {item.name}: {error}")
        failed.append(item)


def _preview(rotations: Rotations, view: RotationView, item: Item) -> None:
    """Show what would run. Nothing is written, and no hook is run."""
    steps, record = rotations.rotation(item).steps, rotations.read_record(item)
    if record is None or record.step.is_end:
        record = steps.start(rotations.new_record())
    view.show_preview(item, record)
