"""Check of an archive: every kind of damage is found and named, with and without a key."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Final

import pytest

from app_integration.encryption.files import header
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.preamble import Body, bind
from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from tests.support.models.audit_archive import (
    SCOPE,
    Site,
    archive_site,
    at,
    file_cipher,
    line,
)
from vault.audit.archive import verification
from vault.audit.archive.chain import FILE, ChainFile
from vault.audit.archive.entry import NO_ENTRY, Deletion, Segment, hash_entry, parse_entry
from vault.audit.archive.errors import SegmentDamaged
from vault.audit.archive.segment_file import SegmentWriter, compressor, read_segment_file

SEGMENTS: Final = 4


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with archive_site(tmp_path) as created:
        for day in range(1, SEGMENTS + 1):
            created.archive(day, lines=[line(at(day - 1), path="secret", number=n) for n in (1, 2)])
        yield created


def lines(site: Site) -> list[bytes]:
    return (site.folder / FILE).read_bytes().splitlines(keepends=True)


def write(site: Site, found: list[bytes]) -> None:
    (site.folder / FILE).write_bytes(b"".join(found))


def truncate(size: int) -> Callable[[Site], None]:
    """Return what cuts the second file to *size* bytes, or by as many if that is negative."""
    return lambda site: os.truncate(site.files[1], size % site.files[1].stat().st_size)


def alter(offset: int) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        data = bytearray(site.files[1].read_bytes())
        data[offset] ^= 1
        site.files[1].write_bytes(data)

    return damage


def remove(number: int) -> Callable[[Site], None]:
    return lambda site: site.files[number].unlink()


def remove_line(number: int) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        found = lines(site)
        del found[number]
        write(site, found)

    return damage


def remove_both(number: int) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        site.files[number].unlink()
        remove_line(number)(site)

    return damage


def swap(site: Site) -> None:
    first, second, *_ = site.files
    first.rename(site.folder / "x")
    second.rename(first)
    (site.folder / "x").rename(second)


def rename(site: Site) -> None:
    site.files[1].rename(site.folder / "other.bin")


def copy(site: Site) -> None:
    shutil.copy(site.files[1], site.folder / "copy.encrypted")


def write_again(site: Site, segment: Segment, made: Segment) -> Segment:
    """Encrypt the content of a segment under another key, as that of *made*."""
    raw = site.folder.parent / "raw"
    raw.write_bytes(b"".join(read_segment_file(site.folder / segment.file, file_cipher().unwrap)))
    return SegmentWriter(SCOPE, file_cipher().new_file_key()).write(raw, site.folder, made)


def encrypt_again(site: Site) -> None:
    segment = ChainFile(site.folder).read().segments[1]
    write_again(site, segment, segment)


def edit(number: int, name: str, value: object) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        found = lines(site)
        entry = {**json.loads(found[number]), name: value}
        found[number] = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        write(site, found)

    return damage


def move_line(site: Site) -> None:
    found = lines(site)
    found[1], found[2] = found[2], found[1]
    write(site, found)


def remove_chain(site: Site) -> None:
    (site.folder / FILE).unlink()


def tear(site: Site) -> None:
    write(site, [b"".join(lines(site))[:-5]])


def nest(site: Site) -> None:
    write(site, [*lines(site), b"[" * 100_000 + b"\n"])


def rewrite(site: Site) -> None:
    """Remove the second segment as somebody does who knows how the chain is made."""
    chain = ChainFile(site.folder).read()
    site.files[1].unlink()
    remove_chain(site)
    head, rewritten = NO_ENTRY, []
    for number, segment in enumerate((chain.segments[0], *chain.segments[2:]), 1):
        facts = segment.facts
        made = Segment(number, head, segment.log, segment.rotated, facts, segment.size)
        made = write_again(site, segment, made)
        rewritten.append(made.render() + b"\n")
        head = hash_entry(made)
    write(site, rewritten)


#: Damage → what the finding says. "2" stands for the name of the second file.
DAMAGE: Final[dict[str, tuple[Callable[[Site], None], str]]] = {
    "cut": (truncate(-1), "2: is cut"),
    "cut to its header": (truncate(100), "2: is cut: 100 bytes in place of"),
    "body altered": (alter(header.SIZE + 5), "2: was altered, or encrypted again"),
    "header altered": (alter(30), "2: was altered"),
    "removed": (remove(1), "2: is missing, with 2 lines"),
    "oldest removed": (remove(0), "1: is missing"),
    "newest removed": (remove(3), "4: is missing"),
    "swapped": (swap, "2: was altered or replaced: it is 1"),
    "renamed": (rename, "2: is missing: it was renamed to other.bin"),
    "copied": (copy, "copy.encrypted: is not in the chain: it is 2"),
    "encrypted again": (encrypt_again, "2: was altered, or encrypted again"),
    "chain removed": (remove_chain, "chain.jsonl is missing or empty"),
    "chain torn": (tear, "chain.jsonl line 4: is no entry; it was altered or cut"),
    "line removed": (remove_line(1), "chain.jsonl line 2: does not follow the line before it"),
    "oldest line removed": (remove_line(0), "chain.jsonl line 1: is not the first entry"),
    "newest line removed": (remove_line(3), "4: is not in the chain: its header has"),
    "lines swapped": (move_line, "chain.jsonl line 2: does not follow"),
    "hash edited": (edit(1, "sha256", "0" * 64), "chain.jsonl line 3: does not follow"),
    "newest hash edited": (edit(3, "sha256", "0" * 64), "4: its header differs from its line"),
    "newest lines edited": (edit(3, "lines", 7), "4: its header differs from its line"),
    "newest digest edited": (edit(3, "file_sha256", "0" * 64), "4: was altered, or encrypted"),
    "log edited": (edit(3, "log", "../../audit"), "chain.jsonl line 4: is no entry"),
    "other rendering": (edit(1, "extra", 1), "chain.jsonl line 2: is altered"),
    "newer format": (edit(1, "format", 2), "has format 2, but this version reads 1"),
    "nested line": (nest, "chain.jsonl line 5: is no entry"),
    "oldest and line removed": (remove_both(0), "chain.jsonl line 1: is not the first entry"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(site: Site, name: str) -> None:
    files = {path.name: str(number) for number, path in enumerate(site.files, 1)}
    damage, expected = DAMAGE[name]
    damage(site)
    for with_key in (False, True):
        findings = "\n".join(site.verify(with_key=with_key).findings)
        for file, number in files.items():
            findings = findings.replace(file, number)
        assert expected in findings, with_key


@pytest.mark.parametrize("damage", [remove_both(3), rewrite], ids=["newest", "rewritten"])
def test_chain_that_was_cut_or_rewritten_is_found_by_a_head_alone(
    site: Site, damage: Callable[[Site], None]
) -> None:
    head = ChainFile(site.folder).read().head
    damage(site)
    assert site.verify().findings == ()
    (finding,) = site.verify(head=head).findings
    assert finding.startswith(f"chain.jsonl has no entry with the hash {head}")


def test_whole_archive_has_no_finding_and_knows_older_heads(site: Site) -> None:
    chain = ChainFile(site.folder).read()
    for with_key, decrypted in ((False, 0), (True, SEGMENTS)):
        found = site.verify(with_key=with_key, head=hash_entry(chain.entries[1]), scope=SCOPE)
        assert (found.findings, found.decrypted) == ((), decrypted)
        assert len(found.kept) == SEGMENTS


def test_replaced_recipients_change_nothing(site: Site) -> None:
    site_key = file_cipher()
    site_key.rewrap(site.files[0], recipients=("archive",))
    assert site.verify().findings == ()


def test_segment_of_another_service_is_named(site: Site) -> None:
    scope = Scope("orders-mail", Environment.DEV)
    findings = site.verify(with_key=False, scope=scope).findings
    assert len(findings) == SEGMENTS
    assert findings[0].endswith("is of gaara-store-dev, not of orders-mail-dev")


def test_content_that_is_not_what_the_chain_says_is_found_with_a_key_only(site: Site) -> None:
    """Replace the newest segment as somebody does who may encrypt, but has another log."""
    chain = ChainFile(site.folder).read()
    segment = chain.segments[-1]
    key = file_cipher().new_file_key()
    raw = site.folder.parent / "raw"
    raw.write_bytes(b"other lines\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vault.audit.archive.segment_file._read_back", lambda *_: segment.facts)
        patch.setattr("vault.audit.archive.segment_file._compress", compress_other)
        made = SegmentWriter(SCOPE, key).write(raw, site.folder, segment)
    write(site, [*lines(site)[:-1], made.render() + b"\n"])
    assert site.verify(with_key=False).findings == ()
    (finding,) = site.verify().findings
    assert "its content is not what chain.jsonl says" in finding


def test_content_that_is_larger_than_the_chain_says_is_not_read_to_its_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = repeat(b"line\n" * 1000, 10)
    monkeypatch.setattr(verification, "read_segment_file", lambda *_: endless)
    assert "its content is not what" in site.verify().findings[0]
    assert len(list(endless)) == 10 - SEGMENTS


def compress_other(raw: Path, writer: object, _size: int) -> None:
    data = raw.read_bytes()
    frame = compressor(len(data))
    writer.write(frame.compress(data) + frame.flush())  # type: ignore[attr-defined]


@pytest.mark.parametrize("kept", [-1, -4, 0, 10])
def test_cut_frame_within_an_authentic_file_is_found(site: Site, kept: int) -> None:
    """Zstandard's own reader ends a cut frame without an error."""
    data = b"".join([b"line\n"] * 9)
    frame = compressor(len(data))
    compressed = frame.compress(data) + frame.flush()
    for content in (compressed[:kept], compressed + b"\0", b"no frame"):
        path = site.folder / "made"
        start, cipher = file_cipher().new_file_key().start(Body.CHUNKS, bind(SCOPE, {"of": "x"}))
        path.write_bytes(start + cipher.seal(0, content, last=True))
        with pytest.raises(SegmentDamaged, match=r"it ends too early|after its end|not compressed"):
            list(read_segment_file(path, file_cipher().unwrap))


def append_deletion(site: Site, day: float, keep: int, *segments: int) -> None:
    chain = ChainFile(site.folder).read()
    deletion = Deletion(chain.next_sequence, chain.head, at(day), keep, segments)
    ChainFile(site.folder).append(chain, deletion)


def test_invented_deletion_is_found_if_it_breaks_its_own_rule(site: Site) -> None:
    site.files[1].unlink()
    append_deletion(site, 30, 90, 2)
    site.day = 31
    (finding,) = site.verify().findings
    assert "names audit-1-20260103" in finding
    assert finding.endswith("which was not 90 days old")


@pytest.mark.parametrize(
    ("keep", "segments", "finding"),
    [
        (0, (1,), "is after 0 days, and 1 were promised"),
        (1, (1, 2, 3, 4), "the newest of its log, which no run deletes"),
        (90, (), "names no segment"),
        (10**7, (1,), "which was not 10000000 days old"),
        (10**12, (1,), "which was not 1000000000000 days old"),
    ],
)
def test_deletion_that_no_run_makes_is_found_although_a_head_is_known(
    site: Site, keep: int, segments: tuple[int, ...], finding: str
) -> None:
    head = ChainFile(site.folder).read().head
    for path in site.files[: len(segments)]:
        path.unlink()
    append_deletion(site, 30, keep, *segments)
    site.day = 31
    (found,) = site.verify(head=head).findings
    assert found.startswith("chain.jsonl: the deletion with the sequence 5 ")
    assert finding in found


def test_deletion_before_the_promised_days_is_found(site: Site) -> None:
    site.files[0].unlink()
    append_deletion(site, 30, 7, 1)
    site.day = 31
    assert site.verify(keep=7).findings == ()
    (finding,) = site.verify(keep=90).findings
    assert finding.endswith("the sequence 5 is after 7 days, and 90 were promised")


def test_deletion_from_the_future_and_of_no_segment_is_found(site: Site) -> None:
    append_deletion(site, 999, 90, 77)
    site.day = 5
    first, second = site.verify().findings
    assert "is from the future" in first
    assert "names 77, which is no segment before it" in second


def test_run_that_adds_and_deletes_during_the_check_is_no_finding(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    observe, is_first = verification._observe, True

    def observe_later(path: Path) -> object:
        nonlocal is_first
        if is_first:
            is_first = False
            site.archive(90.5, keep=90)
        return observe(path)

    monkeypatch.setattr(verification, "_observe", observe_later)
    found = site.verify(now=at(92))
    assert found.findings == ()
    assert len(found.chain.deleted) == 1


@pytest.mark.parametrize("is_run", [True, False], ids=["by a run", "by somebody"])
def test_segment_that_is_deleted_before_it_is_decrypted_is_found_if_no_run_did(
    site: Site, is_run: bool
) -> None:
    second = site.files[1]

    def unwrap(found: header.Header) -> BodyCipher:
        if second.exists():
            if is_run:
                site.archive(91.5, keep=90)
            else:
                second.unlink()
        return file_cipher().unwrap(found)

    found = site.verify(unwrap=unwrap, now=at(92))
    assert (second.exists(), found.decrypted) == (False, SEGMENTS - is_run)
    expected = () if is_run else (f"{second.name}: has disappeared during the check",)
    assert found.findings == expected


def test_denied_key_is_an_error_and_no_finding(site: Site) -> None:
    def unwrap(_header: object) -> object:
        raise AccessDenied("denied")

    with pytest.raises(AccessDenied):
        site.verify(unwrap=unwrap)


def test_entry_is_its_line(site: Site) -> None:
    append_deletion(site, 200, 90, 1, 2)
    for each in lines(site):
        assert parse_entry(each.rstrip()).render() + b"\n" == each


def test_clock_of_another_machine_may_be_a_little_behind(site: Site) -> None:
    append_deletion(site, 100, 90, 1)
    site.files[0].unlink()
    assert site.verify(now=at(100) - timedelta(minutes=30)).findings == ()
