"""Check of an archive: no segment is missing, cut or changed.

Without a key it compares the files with the chain. With one it decrypts them, too, and compares
their content with what the chain says about it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import open_input
from app_integration.encryption.files.digest import digest_open_file
from app_integration.encryption.files.header import SIZE
from app_integration.encryption.tokens.encryption_context import ContextValue
from app_integration.errors import DecryptionFailed
from app_integration.names import Scope
from app_integration.observability.log_file_reader import Unwrap
from vault.audit.archive.chain import FILE, Chain, ChainFile
from vault.audit.archive.entry import NO_ENTRY, SUFFIX, Deletion, Segment, hash_entry
from vault.audit.archive.errors import SegmentDamaged
from vault.audit.archive.log_facts import LogScanner
from vault.audit.archive.segment_file import (
    header_context,
    header_scope,
    read_segment_file,
    read_segment_header,
)

_CLOCK_SKEW: Final = timedelta(hours=1)  # between the machines of the archive and of the check


@dataclass(frozen=True, slots=True)
class Observation:
    """State of a file of the archive; *digest* is its SHA-256 without the recipients.

    *context* is that of its header without the scope, None if it is no encrypted file.
    """

    size: int
    digest: str
    context: Mapping[str, ContextValue] | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a check."""

    chain: Chain
    kept: tuple[Segment, ...]
    decrypted: int
    findings: tuple[str, ...]


def verify(
    folder: Path,
    *,
    now: datetime,
    head: str | None = None,
    keep: int = 1,
    scope: Scope | None = None,
    unwrap: Unwrap | None = None,
) -> Verification:
    """Check the archive in *folder*, which another process may extend at the same time.

    *head* is the hash of an entry that the chain must have, and *keep* the days that each deletion
    must have waited for. The files must be of *scope*, if any, and are decrypted only with
    *unwrap*.
    """
    before = ChainFile(folder).read()
    observed = {path.name: seen for path in _files(folder) if (seen := _observe(path))}
    # A run may have added entries and deleted files since.
    after = ChainFile(folder).read()
    findings = [*judge_chain(after, now, head, keep)]
    deleted = after.deleted
    kept = tuple(each for each in before.segments if each.sequence not in deleted)
    wrong = judge_files(kept, after, observed, scope)
    findings += [text for texts in wrong.values() for text in texts]
    decrypted = 0
    for segment in kept:
        if unwrap is not None and not wrong.get(segment.file):
            found = _compare(folder, segment, unwrap)
            findings += [f"{segment.file}: {text}" for text in found or ()]
            decrypted += found is not None
    return Verification(after, kept, decrypted, tuple(findings))


def judge_chain(chain: Chain, now: datetime, head: str | None, keep: int) -> Iterator[str]:
    """Yield the faults of a chain's entries."""
    yield from chain.findings
    if not chain.entries:
        yield f"{FILE} is missing or empty: nothing says what the archive had"
    if head is not None and head not in {NO_ENTRY, *map(hash_entry, chain.entries)}:
        yield f"{FILE} has no entry with the hash {head}: its end was cut, or it was rewritten"
    segments: dict[int, Segment] = {}
    newest: dict[str, int] = {}
    for entry in chain.entries:
        if isinstance(entry, Segment):
            segments[entry.sequence], newest[entry.log] = entry, entry.sequence
        else:
            name = f"{FILE}: the deletion with the sequence {entry.sequence}"
            texts = *_judge_deletion(entry, now, keep), *_judge_deleted(entry, segments, newest)
            yield from (f"{name} {text}" for text in texts)


def _judge_deletion(deletion: Deletion, now: datetime, keep: int) -> Iterator[str]:
    if deletion.time > now + _CLOCK_SKEW:
        yield "is from the future; it was altered, or a clock was wrong"
    if deletion.keep_days < keep:
        yield f"is after {deletion.keep_days} days, and {keep} were promised"
    if not deletion.segments:
        yield "names no segment"


def _judge_deleted(
    deletion: Deletion, segments: Mapping[int, Segment], newest: Mapping[str, int]
) -> Iterator[str]:
    """Yield the faults of the segments that *deletion* names."""
    days = timedelta(days=min(deletion.keep_days, timedelta.max.days))
    for sequence in deletion.segments:
        segment = segments.get(sequence)
        if segment is None:
            yield f"names {sequence}, which is no segment before it"
        elif deletion.time - segment.newest <= days:
            yield f"names {segment.file}, which was not {deletion.keep_days} days old"
        elif newest[segment.log] == sequence:
            yield f"names {segment.file}, the newest of its log, which no run deletes"


def judge_files(
    kept: tuple[Segment, ...],
    chain: Chain,
    observed: Mapping[str, Observation],
    scope: Scope | None,
) -> dict[str, list[str]]:
    """Return the faults of each file, by its name. An intact file is absent, or has none."""
    known = {segment.file: segment for segment in chain.segments}
    strays = {name: seen for name, seen in observed.items() if name not in known}
    wrong: dict[str, list[str]] = {}
    for segment in kept:
        seen = observed.get(segment.file)
        texts = _judge_missing(segment, strays) if seen is None else _judge(segment, seen, chain)
        if seen is not None and scope is not None and seen.scope != scope:
            texts = [*texts, f"is of {seen.scope}, not of {scope}"]
        wrong[segment.file] = [f"{segment.file}: {text}" for text in texts]
    for name, seen in strays.items():
        if seen.context is not None or name.endswith(SUFFIX):
            wrong[name] = [f"{name}: is not in the chain{_claim(seen, chain)}"]
    deleted = chain.deleted
    for name, segment in known.items():
        if segment.sequence in deleted and name in observed:
            wrong[name] = [f"{name}: was kept long enough, and is still there; archive again"]
    return wrong


def _judge_missing(segment: Segment, strays: Mapping[str, Observation]) -> list[str]:
    for name, seen in strays.items():
        if seen.digest == segment.digest:
            return [f"is missing: it was renamed to {name}"]
    return [f"is missing, with {segment.facts.lines} lines"]


def _judge(segment: Segment, seen: Observation, chain: Chain) -> list[str]:
    """Return the faults of a segment's file."""
    is_own = seen.context == segment.context()
    if seen.digest == segment.digest:
        return [] if is_own else [f"its header differs from its line in {FILE}"]
    if is_own and seen.size < segment.size:
        return [f"is cut: {seen.size} bytes in place of {segment.size}"]
    if is_own:
        return ["was altered, or encrypted again"]
    if seen.size < SIZE:
        return [f"is cut: {seen.size} bytes in place of {segment.size}"]
    return [f"was altered or replaced{_claim(seen, chain)}"]


def _claim(seen: Observation, chain: Chain) -> str:
    """Return which segment a file is, by what its header says."""
    for segment in chain.segments:
        if seen.context == segment.context():
            return f": it is {segment.file}"
    sequence = (seen.context or {}).get("sequence")
    return f": its header has the sequence {sequence}" if isinstance(sequence, int) else ""


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name != FILE and not path.name.startswith(".") and path.is_file():
            yield path


def _observe(path: Path) -> Observation | None:
    """Return the state of a file, None if another process has deleted it."""
    try:
        with open_input(path) as file:
            header, size = read_segment_header(file), os.fstat(file.fileno()).st_size
            file.seek(0)
            digest = digest_open_file(file)
    except FileNotFoundError:
        return None
    if header is None:
        return Observation(size, digest)
    return Observation(size, digest, header_context(header), header_scope(header))


def _compare(folder: Path, segment: Segment, unwrap: Unwrap) -> list[str] | None:
    """Return the faults of the content of a segment's file, None if a run has deleted it."""
    scanner = LogScanner()
    try:
        for piece in read_segment_file(folder / segment.file, unwrap):
            scanner.feed(piece)
            if scanner.size > segment.facts.size:  # a small file may have terabytes
                break
    except (DecryptionFailed, SegmentDamaged) as error:
        return [f"cannot be decrypted: {error}"]
    except FileNotFoundError:
        is_deleted = segment.sequence in ChainFile(folder).read().deleted
        return None if is_deleted else ["has disappeared during the check"]
    if scanner.facts() != segment.facts:
        return [f"its content is not what {FILE} says: hash, size, lines or times differ"]
    return []
