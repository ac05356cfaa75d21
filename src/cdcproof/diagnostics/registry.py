"""The schema registry's subjects, and the newest schemas of the pipeline's topics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cdcproof.clients.schema_registry import Registry
from cdcproof.diagnostics.parts import File, Missing, Part, Scope, attempt, file_name

_MOST_SCHEMAS = 200


def subjects(scope: Scope) -> Iterator[Part]:
    """Names of all subjects, mode and level of compatibility; schemas of those that begin with a topic of the pipeline."""
    if scope.pipeline.registry is None:
        return
    registry = Registry(scope.pipeline.registry)
    names = registry.subjects()
    yield File("registry/subjects.txt", "\n".join(names) + "\n")
    yield from attempt("registry/settings", partial(_settings, registry))
    topics = [table.topic for table in scope.pipeline.tables]
    ours = [name for name in names if any(name.startswith(topic) for topic in topics)]
    for name in ours[:_MOST_SCHEMAS]:
        yield from attempt(f"registry/schemas/{name}", partial(_schema, registry, name))
    if len(ours) > _MOST_SCHEMAS:
        yield Missing("registry/schemas", f"Only {_MOST_SCHEMAS} of {len(ours)} schemas were asked for.")


def _settings(registry: Registry) -> Iterator[Part]:
    yield File(
        "registry/settings.txt",
        f"compatibility {registry.compatibility()}, mode {registry.mode_of('') or 'not known'}\n",
    )


def _schema(registry: Registry, subject: str) -> Iterator[Part]:
    yield File(f"registry/schemas/{file_name(subject)}.json", registry.latest(subject).text + "\n")
