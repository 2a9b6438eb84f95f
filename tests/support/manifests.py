"""Manifests of Kubernetes: a strategic merge, and what the schemas of its API do not check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

#: List → key by which its entries are merged. Every other list replaces the one before.
MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
}
ENUMS: Final = {
    "restartPolicy": {"Always", "Never"},
    "concurrencyPolicy": {"Forbid"},
    "fsGroupChangePolicy": {"OnRootMismatch"},
    "medium": {"", "Memory"},
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "scheme": {"HTTP", "HTTPS"},
    "type": {"RuntimeDefault"},
}
#: Kinds that a target or a job may write.
KINDS: Final = {"CronJob", "Job", "Deployment", "ServiceAccount", "NetworkPolicy"} | {
    "ClusterRoleBinding"
}
#: Most characters of a CronJob's name.
CRON_JOB_NAME: Final = 52
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")


def merge(base: Any, patch: Any, key: str = "") -> Any:
    """Return *base* with the strategic merge patch *patch* applied."""
    if isinstance(patch, dict) and patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if isinstance(base, dict) and isinstance(patch, dict):
        changed = {name: merge(base.get(name), value, name) for name, value in patch.items()}
        return {**base, **changed}
    if isinstance(base, list) and key in MERGE_KEYS:
        by = MERGE_KEYS[key]
        old, new = ({each[by]: each for each in each_list} for each_list in (base, patch))
        merged = [merge(old.get(name), value) for name, value in new.items()]
        return merged + [value for name, value in old.items() if name not in new]
    return patch


def find_errors(manifest: dict[str, Any], config_maps: dict[str, set[str]]) -> list[str]:
    """Return what is wrong with *manifest* that a schema does not see."""
    errors = [f"kind {manifest['kind']}"] if manifest["kind"] not in KINDS else []
    name = manifest["metadata"]["name"]
    if ".." in name or not _SUBDOMAIN.fullmatch(name.replace(":", "-")):
        errors.append(f"name {name}")
    errors += _enum_errors(manifest)
    pod = pod_of(manifest)
    if pod is not None:
        errors += _pod_errors(pod, config_maps)
    if manifest["kind"] == "CronJob" and len(name) > CRON_JOB_NAME:
        errors.append("a name that is too long")
    return errors


def pod_of(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """Return the pod of a Deployment or a CronJob, or None for another kind."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]["spec"] if "template" in spec else None


def _enum_errors(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _enum_errors(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _enum_errors(each, name)
    elif name in ENUMS and value not in ENUMS[name]:
        yield f"{name} {value}"


def _pod_errors(pod: dict[str, Any], config_maps: dict[str, set[str]]) -> Iterator[str]:
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for name in [*(each["name"] for each in containers), *volumes]:
        if not _LABEL.fullmatch(name):
            yield f"name {name}"
    if len(volumes) != len(pod.get("volumes", [])):
        yield "two volumes of one name"
    for container in containers:
        yield from _container_errors(container, volumes)
    for volume in volumes.values():
        yield from _config_map_errors(volume.get("configMap", {}), config_maps)


def _container_errors(container: dict[str, Any], volumes: dict[str, Any]) -> Iterator[str]:
    mounts = container.get("volumeMounts", [])
    paths = [mount["mountPath"] for mount in mounts]
    if len(set(paths)) != len(paths):
        yield f"{container['name']}: two mounts at one path"
    if not container.get("image"):
        yield f"{container['name']}: no image"
    for mount in mounts:
        if mount["name"] not in volumes:
            yield f"{container['name']}: no volume {mount['name']}"


def _config_map_errors(source: dict[str, Any], config_maps: dict[str, set[str]]) -> Iterator[str]:
    if not source:
        return
    if source["name"] not in config_maps:
        yield f"no config map {source['name']}"
        return
    for item in source.get("items", []):
        if item["key"] not in config_maps[source["name"]] or not _KEY.fullmatch(item["key"]):
            yield f"no key {item['key']}"
