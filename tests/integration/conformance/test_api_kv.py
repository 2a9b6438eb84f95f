"""KV v2 through its API: the server in memory answers each call as the real one does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.api_calls import Call, Compare, Paths

pytestmark = pytest.mark.requires("embedded")

CALLS = Paths("<kv>")
get, post, refused = CALLS.get, CALLS.post, CALLS.refused


def write(path: str, value: Any, **options: Any) -> Call:
    return post(f"data/{path}", {"data": value, "options": options} if options else {"data": value})


def patch(path: str, body: Any = None) -> Call:
    return Call("PATCH", f"<kv>/{path}", body)


CONFIG = [
    get("config"),
    post("config", {"cas_required": "x"}),
    post("config", {"max_versions": 10**30}),
    post("config", {"max_versions": 5}),
    post("config", {"delete_version_after": "1h"}),
    get("config"),
    post("config", {"delete_version_after": "zz"}),
    post("config", {"delete_version_after": "0s", "max_versions": 2}),
    *[write("z", {"a": 1})] * 4,
    get("metadata/z"),
    post("metadata/z", {"max_versions": 4}),
    *[write("z", {"a": 1})] * 4,
    get("metadata/z"),
    post("config", {"max_versions": 0, "cas_required": True}),
    get("config"),
    write("z", {"a": 1}),
    post("metadata/z", {"cas_required": False}),
    write("z", {"a": 1}, cas=8),
    refused("config", {"nope": 1}),
    refused("config", {"metadata_cas_required": True}),
    Call("DELETE", "<kv>/config"),
    patch("config", {}),
]

CHECK_AND_SET = [
    post("metadata/m", {"cas_required": True, "custom_metadata": {"a": "b"}, "max_versions": 3}),
    get("metadata/m"),
    write("m", {"a": 1}),
    write("m", {"a": 1}, cas=1),
    write("m", {"a": 1}, cas=0),
    write("m", {"a": 1}, cas=5),
    write("m", {"a": 1}, cas="1"),
    write("m", {"a": 1}, cas=True),
    write("m", {"a": 1}, cas=-1),
    *[write("m", {"a": 1}, cas=cas) for cas in ("x", 10**30, 1.5, [2])],
    patch("data/m", {"data": {"b": 2}}),
    patch("data/m", {"data": {"b": 2, "a": None}, "options": {"cas": 2}}),
    patch("data/m", {"data": {"b": 2}, "options": {"cas": 9}}),
    get("data/m"),
    write("n", {"a": 1}, cas=None),
    write("n", {"a": 1}, cas=None),
    refused("data/m", {"data": {"a": 1}, "options": {"cas": 3, "nope": 1}}),
    refused("data/m", {"data": {"a": 1}, "version": 7}),
    post("data/m", {"data": {"a": 1}, "options": "x"}),
]

EXPIRY = [
    post("metadata/e", {"delete_version_after": "30m"}),
    write("e", {"a": 1}),
    get("data/e"),
    get("metadata/e"),
    post("config", {"delete_version_after": "10m"}),
    write("f", {"a": 1}),
    post("delete/f", {"versions": [1]}),
    get("data/f"),
    post("undelete/f", {"versions": [1]}),
    get("data/f"),
    post("config", {"delete_version_after": "-1s"}),
    get("config"),
    write("e", {"a": 1}),
    post("metadata/e", {"delete_version_after": "1h1m1.5s"}),
    get("metadata/e"),
    post("metadata/e", {"delete_version_after": "90"}),
    get("metadata/e"),
    *[
        post("metadata/e", {"delete_version_after": given})
        for given in ("zz", -5, "-1s", True, 1.5, 10**30, "999999999h", [1])
    ],
]

VERSIONS = [
    *[write("m", {"number": number}) for number in (1, 2, 3)],
    *[get(f"data/m?version={version}") for version in ("1", "0", "-1", "9", "x", "9" * 30)],
    refused("data/m?nope=0", method="GET"),
    *[
        post("delete/m", {"versions": versions})
        for versions in ([-1], ["x"], ["1"], "1", "1,2", "x", [10**30], [1.5], {"a": 1})
    ],
    *[post("delete/m", {"versions": versions}) for versions in ([None], [True], 5, [0], [])],
    post("delete/m"),
    get("metadata/m"),
    post("undelete/m", {"versions": [1, 2, 3, 4]}),
    get("metadata/m"),
    post("destroy/m", {"versions": [1]}),
    post("undelete/m", {"versions": [1]}),
    get("data/m?version=1"),
    get("metadata/m"),
    Call("DELETE", "<kv>/data/m"),
    get("data/m"),
    *[post(f"{change}/none", {"versions": [1]}) for change in ("delete", "undelete", "destroy")],
    Call("DELETE", "<kv>/data/none"),
    Call("DELETE", "<kv>/metadata/none"),
    Call("PUT", "<kv>/data/put", {"data": {"a": 1}}),
    Call("PUT", "<kv>/delete/put", {"versions": [1]}),
    get("data/put"),
]

DATA = [
    post("data/m", {"data": "x"}),
    post("data/m", {"data": [1]}),
    post("data/m", {"data": 5}),
    post("data/m"),
    post("data/m", {}),
    post("data/m", [1]),
    post("data/m", "x"),
    post("data/m", {"data": None}),
    get("data/m"),
    write("m", {"a": {"b": 1, "c": {}}, "l": [1, 2], "n": None}),
    get("subkeys/m"),
    *[get(f"subkeys/m?depth={depth}") for depth in ("0", "1", "2", "-1", "x")],
    get("subkeys/m?version=1"),
    get("subkeys/m?version=99"),
    get("subkeys/none"),
    patch("data/m", {"data": {"a": {"b": None, "d": {"e": 1}}, "l": 5, "new": None}}),
    get("data/m"),
    patch("data/none", {"data": {"b": 2}}),
    patch("data/m", {}),
    patch("data/m"),
    patch("data/m", {"data": "x"}),
    Call("DELETE", "<kv>/data/m"),
    get("subkeys/m"),
    patch("data/m", {"data": {"b": 2}}),
    write("deep/er/x", {"a": 1}),
    write("deep", {"a": 1}),
    *[Call("LIST", f"<kv>/metadata{path}") for path in ("", "/", "/deep", "/deep/", "/none")],
    get("metadata/?list=true"),
    Call("LIST", "<kv>/metadata/?after=deep"),
    Call("LIST", "<kv>/metadata/?limit=1"),
    post("data/x/", {"data": {}}),
    get("data/"),
]

METADATA = [
    *[
        post("metadata/e", {"custom_metadata": given})
        for given in (
            {"a": 1},
            "x",
            {"a": None},
            {"a": ""},
            {"a": "x" * 600},
            {"": "x"},
            {"k" * 200: "x"},
            {f"k{number}": "v" for number in range(65)},
            {"a": {"b": 1}},
            {"a": True},
        )
    ],
    get("metadata/e"),
    *[post("metadata/e", {"max_versions": given}) for given in ("x", "7", -1, 1.5, True, [1])],
    get("metadata/e"),
    *[post("metadata/e", {"cas_required": given}) for given in ("true", 1, [1], "x", None)],
    post("metadata/e", {}),
    get("metadata/e"),
    refused("metadata/e", {"nope": 1}),
    patch("metadata/e", {"custom_metadata": {"a": None, "c": "d"}, "max_versions": 4}),
    get("metadata/e"),
    patch("metadata/e", {"custom_metadata": {"e": "f"}, "cas_required": False}),
    get("metadata/e"),
    patch("metadata/e", {"max_versions": "x"}),
    patch("metadata/none", {"max_versions": 1}),
    Call("DELETE", "<kv>/metadata/e"),
    get("metadata/e"),
    refused("metadata/f", {"metadata_cas_required": True}),
]

PATHS = [
    refused("metadata/", method="SCAN"),
    refused("detailed-metadata/", method="LIST"),
    refused("nope", method="GET"),
    refused("nope/x", method="GET"),
    Call("LIST", "<kv>/data/m"),
    get("delete/q"),
    get("undelete/q"),
    post("subkeys/m", {}),
    Call("DELETE", "<kv>/delete/q"),
    Call("FOO", "<kv>/data/q"),
    Call("HEAD", "<kv>/data/q"),
    Call("GET", "<kv>/data/q", token=None),
    Call("GET", "<kv>/data/q", token="s.none"),
]


@pytest.mark.parametrize(
    "calls",
    [CONFIG, CHECK_AND_SET, EXPIRY, VERSIONS, DATA, METADATA, PATHS],
    ids=["config", "check-and-set", "expiry", "versions", "data", "metadata", "paths"],
)
def test_kv_call_is_answered_alike(compare: Compare, calls: list[Call]) -> None:
    assert compare(calls) == []
