"""Entries of a dump that a restore leaves out."""

from __future__ import annotations

from backup.restore import select_entries

LISTING = """;
; Archive created at 2026-11-27 12:00:00 UTC
;
2; 3079 16480 EXTENSION - citext~
3501; 0 0 COMMENT - EXTENSION citext~
5; 2615 16000 SCHEMA - audit shop_owner
220; 1259 16482 TABLE public citext shop_owner
3494; 0 16482 TABLE DATA public citext shop_owner
2080; 826 16478 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES shop_owner
2081; 826 16479 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES postgres
""".replace("~", " ")  # an entry without an owner ends with a space


def left_out(**target: tuple[str, ...]) -> list[str]:
    chosen = {"extensions": (), "schemas": (), **target}
    kept = select_entries(LISTING, owner="shop_owner", **chosen)
    return [line for line in LISTING.splitlines() if line not in kept.splitlines()]


def test_default_privileges_of_another_role_are_left_out() -> None:
    assert left_out() == [LISTING.splitlines()[-1]]


def test_extension_of_the_target_is_left_out_with_its_comment() -> None:
    assert left_out(extensions=("citext",))[:-1] == LISTING.splitlines()[3:5]


def test_schema_of_the_target_is_left_out() -> None:
    assert left_out(schemas=("audit", "public"))[:-1] == [LISTING.splitlines()[5]]
