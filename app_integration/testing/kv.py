"""KV version 2 in memory: versions, deletion and destruction, check-and-set, metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    NOTHING,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    list_response,
    unsupported_operation,
    unsupported_path,
)
from app_integration.testing.kv_entry import (
    SETTINGS,
    Entry,
    KvSettings,
    Version,
    check_custom_metadata,
    check_values,
)
from app_integration.testing.parameters import Parameters, check, parse_integer, read

_KINDS: Final = ("data", "metadata", "delete", "undelete", "destroy", "subkeys", "config")
#: Parameters that are accepted only if they change nothing.
_DEFAULTS: Final = {"metadata_cas_required": False}
_CAS_REQUIRED: Final = (
    '"cas_required" set to false, but is mandated by backend config. This value will be ignored.'
)
_NO_DATA: Final = "no data provided"


class Kv:
    """A KV v2 mount."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settings = KvSettings()
        self._entries: dict[str, Entry] = {}

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request whose path is relative to the mount, and return the response."""
        kind, _, path = request.path.partition("/")
        handlers: dict[tuple[str, str], Callable[[str, Request], ServerResponse]] = {
            ("GET", "config"): self._read_config,
            ("POST", "config"): self._write_config,
            ("GET", "data"): self._read,
            ("POST", "data"): self._write,
            ("PATCH", "data"): self._patch,
            ("DELETE", "data"): self._delete_latest,
            ("GET", "subkeys"): self._subkeys,
            ("POST", "delete"): self._delete,
            ("POST", "undelete"): self._undelete,
            ("POST", "destroy"): self._destroy,
            ("GET", "metadata"): self._metadata,
            ("POST", "metadata"): self._write_metadata,
            ("PATCH", "metadata"): self._patch_metadata,
            ("DELETE", "metadata"): self._delete_metadata,
            ("LIST", "metadata"): self._list,
        }
        if kind not in _KINDS or (kind == "config" and path):
            raise unsupported_path()
        handler = handlers.get((request.method, kind))
        if handler is None:
            raise unsupported_operation()
        return handler(path, request)

    def _read_config(self, _: str, request: Request) -> ServerResponse:
        read(request)
        return data_response(self._settings.describe())

    def _write_config(self, _: str, request: Request) -> ServerResponse:
        self._settings.update(read(request, *SETTINGS, defaults=_DEFAULTS), signed=True)
        return NO_CONTENT

    def _read(self, path: str, request: Request) -> ServerResponse:
        given = read(request, "version")
        version, metadata = self._find(path, given)
        if version.is_deleted(self._clock()):
            raise ErrorResponse(404, data={"data": None, "metadata": metadata})
        return data_response({"data": version.value, "metadata": metadata})

    def _subkeys(self, path: str, request: Request) -> ServerResponse:
        given = read(request, "version", "depth")
        depth = given.integer("depth")
        version, metadata = self._find(path, given)
        if version.is_deleted(self._clock()):
            raise ErrorResponse(404, data={"subkeys": None, "metadata": metadata})
        # The real server treats a negative depth like 1.
        value, levels = version.value, depth if depth >= 0 else 1
        subkeys = None if value is None else _subkeys_of(value, levels)
        return data_response({"subkeys": subkeys, "metadata": metadata})

    def _write(self, path: str, request: Request) -> ServerResponse:
        given = read(request, "data", "options")
        if "data" not in given:
            raise ErrorResponse(400, _NO_DATA)
        value = None if given.values["data"] is None else given.mapping("data")
        if not path:
            raise ErrorResponse(404)
        self._check_and_set(self._entries.get(path), given)
        entry = self._entries.setdefault(path, Entry(self._clock(), self._clock()))
        return self._add(entry, value)

    def _patch(self, path: str, request: Request) -> ServerResponse:
        given = read(request, "data", "options")
        if "data" not in given:
            raise ErrorResponse(400, _NO_DATA)
        changes = given.mapping("data")
        entry = self._entries.get(path)
        version = entry.versions.get(entry.current) if entry else None
        if entry is None or version is None:
            return NOTHING
        self._check_and_set(entry, given)
        if version.is_deleted(self._clock()):
            raise ErrorResponse(404, data=entry.describe_version(entry.current, self._clock))
        return self._add(entry, _merge(version.value or {}, changes))

    def _add(self, entry: Entry, value: Mapping[str, Any] | None) -> ServerResponse:
        number = entry.add(Version(value, self._clock()), self._settings)
        return data_response(entry.describe_version(number, self._clock))

    def _check_and_set(self, entry: Entry | None, given: Parameters) -> None:
        options = check(given.mapping("options"), ("cas",), prefix="options.")
        required = self._settings.cas_required or bool(entry and entry.settings.cas_required)
        if "cas" not in options:
            if required:
                raise ErrorResponse(400, "check-and-set parameter required for this call")
            return
        try:
            expected = parse_integer(options.values["cas"])
        except ValueError:
            raise ErrorResponse(400, "error parsing check-and-set parameter") from None
        if expected != (entry.current if entry else 0):
            raise ErrorResponse(400, "check-and-set parameter did not match the current version")

    def _delete_latest(self, path: str, request: Request) -> ServerResponse:
        read(request)
        entry = self._entries.get(path)
        if entry is not None and entry.current in entry.versions:
            self._mark_deleted(entry.versions[entry.current])
        return NO_CONTENT

    def _delete(self, path: str, request: Request) -> ServerResponse:
        for version in self._select_versions(path, request):
            self._mark_deleted(version)
        return NO_CONTENT

    def _undelete(self, path: str, request: Request) -> ServerResponse:
        now = self._clock()
        for version in self._select_versions(path, request):
            if not version.destroyed:
                version.deleted = self._entry(path).deletion(now, self._settings)
        return NO_CONTENT

    def _destroy(self, path: str, request: Request) -> ServerResponse:
        for version in self._select_versions(path, request):
            version.destroyed, version.value = True, {}
        return NO_CONTENT

    def _metadata(self, path: str, request: Request) -> ServerResponse:
        read(request)
        return data_response(self._entry(path).describe(self._clock))

    def _write_metadata(self, path: str, request: Request) -> ServerResponse:
        given = read(request, *SETTINGS, "custom_metadata", defaults=_DEFAULTS)
        custom = check_values(check_custom_metadata(given))
        entry = self._entries.get(path) or Entry(self._clock(), self._clock())
        entry.settings.update(given)
        if given.values.get("custom_metadata") is not None:
            entry.custom_metadata = custom
        entry.updated = self._clock()
        self._entries[path] = entry
        if self._settings.cas_required and given.values.get("cas_required") is False:
            return ServerResponse(200, {"warnings": [_CAS_REQUIRED]})
        return NO_CONTENT

    def _patch_metadata(self, path: str, request: Request) -> ServerResponse:
        given = read(request, *SETTINGS, "custom_metadata", defaults=_DEFAULTS)
        entry = self._entries.get(path)
        if entry is None:
            return NOTHING
        merged = {**(entry.custom_metadata or {}), **check_custom_metadata(given)}
        kept = {key: value for key, value in merged.items() if value is not None}
        custom = check_values(kept)
        entry.settings.update(given)
        entry.custom_metadata, entry.updated = custom or None, self._clock()
        return NO_CONTENT

    def _delete_metadata(self, path: str, request: Request) -> ServerResponse:
        read(request)
        self._entries.pop(path, None)
        return NO_CONTENT

    def _list(self, path: str, request: Request) -> ServerResponse:
        given = read(request, "after", "limit")
        after, limit = given.text("after"), given.integer("limit")
        folder = f"{path.rstrip('/')}/" if path else ""
        below = [known.removeprefix(folder) for known in self._entries if known.startswith(folder)]
        keys = {name.partition("/")[0] + ("/" if "/" in name else "") for name in below}
        found = sorted(key for key in keys if key > after)
        return list_response(found[:limit] if limit > 0 else found)

    def _find(self, path: str, given: Parameters) -> tuple[Version, dict[str, Any]]:
        """Return a version, and its metadata as the server shows it."""
        number = given.integer("version")
        entry = self._entry(path)
        number = number if number > 0 else entry.current
        version = entry.versions.get(number)
        if version is None:
            raise ErrorResponse(404)
        return version, entry.describe_version(number, self._clock)

    def _entry(self, path: str) -> Entry:
        entry = self._entries.get(path)
        if entry is None:
            raise ErrorResponse(404)
        return entry

    def _select_versions(self, path: str, request: Request) -> list[Version]:
        """Return those of the versions in the request's body that exist."""
        numbers = read(request, "versions").integers("versions")
        if not numbers:
            raise ErrorResponse(400, "No version number provided")
        entry = self._entries.get(path)
        known = entry.versions if entry else {}
        return [known[number] for number in numbers if number in known]

    def _mark_deleted(self, version: Version) -> None:
        if not version.is_deleted(self._clock()):
            version.deleted = self._clock()


def _merge(value: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return *value* with *changes*, as a JSON merge patch: null removes a key."""
    merged = dict(value)
    for key, change in changes.items():
        if change is None:
            merged.pop(key, None)
        elif isinstance(change, dict):
            before = merged.get(key)
            merged[key] = _merge(before if isinstance(before, dict) else {}, change)
        else:
            merged[key] = change
    return merged


def _subkeys_of(value: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return the keys of *value* with null for each value, to *depth* levels; 0 for all."""
    return {
        key: _subkeys_of(inner, depth - 1)
        if isinstance(inner, dict) and inner and depth != 1
        else None
        for key, inner in value.items()
    }
