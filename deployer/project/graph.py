"""Who needs whom: the order in which objects are created, read out of their SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deployer.errors import UsageError
from deployer.project.objects import Object


def dependencies(objects: Iterable[Object]) -> dict[str, tuple[str, ...]]:
    """For each object's name the sorted names of the project's objects that its SQL mentions, itself left
    out.
    """
    listed = list(objects)
    names = {item.name for item in listed}
    return {item.name: tuple(sorted((item.mentions & names) - {item.name})) for item in listed}


def in_order(objects: Iterable[Object]) -> tuple[Object, ...]:
    """The objects, each after all that it needs, otherwise by name. Raises UsageError that names a cycle."""
    by_name = {item.name: item for item in objects}
    needs = dependencies(by_name.values())
    order: list[str] = []
    done: set[str] = set()
    for name in sorted(by_name):
        _visit(name, needs, done, [], order, by_name)
    return tuple(by_name[name] for name in order)


def dependents(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> set[str]:
    """All that need one of `names`, directly or through others."""
    found: set[str] = set()
    frontier = set(names)
    while frontier:
        frontier = {
            name for name, needed in needs.items() if name not in found and frontier.intersection(needed)
        }
        found |= frontier
    return found


def _visit(
    name: str,
    needs: Mapping[str, tuple[str, ...]],
    done: set[str],
    path: list[str],
    order: list[str],
    by_name: Mapping[str, Object],
) -> None:
    if name in done:
        return
    if name in path:
        circle = " -> ".join([*path[path.index(name) :], name])
        raise UsageError(f"{by_name[name].path}:1: objects need each other in a circle: {circle}")
    path.append(name)
    for needed in needs[name]:
        _visit(needed, needs, done, path, order, by_name)
    path.pop()
    done.add(name)
    order.append(name)
