"""Index of grants by their patterns, which finds the one that decides about a path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from policies.acl.grant import Grant
from policies.acl.pattern import Kind


@dataclass(slots=True)
class _Node:
    """A place in the tree of segments: what follows by the next one, and the patterns that end."""

    following: dict[str, _Node] = field(default_factory=dict)
    closed: Grant | None = None
    open: list[tuple[str, Grant]] = field(default_factory=list)


class PatternIndex:
    """Grants, one for each pattern."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        """Index *grants*; those for one pattern are merged, in their order."""
        merged: dict[tuple[Kind, str], Grant] = {}
        for grant in grants:
            key = grant.pattern.kind, grant.pattern.text
            earlier = merged.get(key)
            merged[key] = grant if earlier is None else earlier.merge(grant)
        self._exact: dict[str, Grant] = {}
        self._prefixes: dict[str, Grant] = {}
        self._segments = _Node()
        for (kind, _), grant in merged.items():
            if kind is Kind.EXACT:
                self._exact[grant.pattern.literal] = grant
            elif kind is Kind.PREFIX:
                self._prefixes[grant.pattern.literal] = grant
            else:
                self._insert(grant)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def __iter__(self) -> Iterator[Grant]:
        yield from self._exact.values()
        yield from self._prefixes.values()
        nodes = [self._segments]
        while nodes:
            node = nodes.pop()
            yield from (grant for _, grant in node.open)
            if node.closed is not None:
                yield node.closed
            nodes += node.following.values()

    def find(self, path: str, *, is_listing: bool) -> Grant | None:
        """Return the grant that decides about *path*; LIST and SCAN try it without a slash, too."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        if not is_listing:
            return self._closest(path)
        without = path.removesuffix("/")
        found = self._exact.get(without) or self._closest(path)
        return found if found is not None or without == path else self._closest(without)

    def find_all(self, path: str, *, is_listing: bool) -> list[Grant]:
        """Return each grant whose pattern matches, the one that decides first."""
        paths = [path, path.removesuffix("/")] if is_listing and path.endswith("/") else [path]
        found = [self._exact[each] for each in paths if each in self._exact]
        for each in paths:
            matching = [*self._matching_prefixes(each), *self._matching_segments(each)]
            found += sorted(matching, key=lambda grant: grant.pattern.rank, reverse=True)
        return list({id(grant): grant for grant in found}.values())

    def _insert(self, grant: Grant) -> None:
        node = self._segments
        *parts, last = grant.pattern.literal.split("/")
        for part in parts:
            node = node.following.setdefault(part, _Node())
        if grant.pattern.is_open:
            node.open.append((last, grant))
        else:
            node.following.setdefault(last, _Node()).closed = grant

    def _closest(self, path: str) -> Grant | None:
        closest = next(self._matching_prefixes(path), None)
        if not self._segments.following and not self._segments.open:
            return closest
        for grant in self._matching_segments(path):
            if closest is None or grant.pattern.rank > closest.pattern.rank:
                closest = grant
        return closest

    def _matching_prefixes(self, path: str) -> Iterator[Grant]:
        """Yield the grants of prefixes of *path*, the longest first."""
        for length in self._lengths:
            if length <= len(path):
                found = self._prefixes.get(path[:length])
                if found is not None:
                    yield found

    def _matching_segments(self, path: str) -> Iterator[Grant]:
        nodes = [self._segments]
        for part in path.split("/"):
            for node in nodes:
                for start, grant in node.open:
                    if part.startswith(start):
                        yield grant
            nodes = [
                node.following[name]
                for node in nodes
                for name in {part, "+"}
                if name in node.following
            ]
            if not nodes:
                return
        for node in nodes:
            if node.closed is not None:
                yield node.closed
