"""What a pipeline will be made of once the files of a change are in force, beside what it is made of now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdcproof.clients.connect import Connect
from cdcproof.environments.base import Environment
from cdcproof.errors import UsageError
from cdcproof.observations.baseline import CONNECTORS, DEPLOYMENT, SCHEMA, changes
from cdcproof.observations.risk import Classified, classify
from cdcproof.operations import baseline, compose_file
from cdcproof.operations.connectors import definition
from cdcproof.pipeline import Pipeline


@dataclass(frozen=True)
class Files:
    """The files of a change: connectors' directory, compose file, and a baseline that has the new schema."""

    connectors: Path | None
    compose: Path | None
    schema: Path | None


@dataclass(frozen=True)
class Found:
    """The classified change, and sentences about what was not looked at."""

    classified: Classified
    notes: tuple[str, ...]


def classified(environment: Environment, pipeline: Pipeline, files: Files, downtime_minutes: float) -> Found:
    """Classify what the files would change. Raises `UsageError` without any file, and whatever keeps them from being read."""
    if not any((files.connectors, files.compose, files.schema)):
        raise UsageError(
            "There is no file to compare with what runs.",
            "Name --connectors DIR, --compose FILE or --schema FILE, or connectors in [paths].",
        )
    masked = baseline.mask("00")
    now = baseline.collect(environment, pipeline, masked, count=False)
    wanted = dict(now.values)
    notes: list[str] = []
    if files.connectors:
        running = Connect(pipeline.connect).states()
        for asked in definition.read_all(files.connectors):
            connector = running.get(asked.name)
            filled = asked.with_kept_secrets(connector.config if connector else None)
            own = baseline.connector_facts(asked.name, filled.config, masked)
            wanted = {**_without(wanted, f"{CONNECTORS}/{asked.name}/"), **own}
    if files.compose and DEPLOYMENT in now.unknown:
        notes.append(f"{files.compose}: {now.unknown[DEPLOYMENT]}")
    elif files.compose:
        wanted, left_out = _with_services(wanted, compose_file.settings(files.compose), pipeline, masked)
        notes += left_out
    if files.schema:
        there = baseline.load(files.schema).facts.values
        wanted = {**_without(wanted, f"{SCHEMA}/"), **{s: v for s, v in there.items() if s.startswith(f"{SCHEMA}/")}}
    return Found(classify(changes(now.values, wanted), wanted, downtime_minutes), tuple(notes))


def _with_services(
    facts: Mapping[str, str], services: Mapping[str, Mapping[str, str]], pipeline: Pipeline, masked: baseline.Mask
) -> tuple[dict[str, str], list[str]]:
    """Facts with what the compose file says of the pipeline's services; a service that it no longer has is gone."""
    wanted = dict(facts)
    known: set[str] = set()
    for service in pipeline.services:
        if not service.container:
            continue
        names = {service.name, service.container}
        known |= names
        place = f"{DEPLOYMENT}/{service.name}/"
        said = next((settings for name, settings in services.items() if name in names), None)
        if said is None:
            wanted = _without(wanted, place)
        else:
            wanted |= {place + name: masked(name, value) for name, value in said.items()}
    others = sorted(set(services) - known)
    return wanted, [f"{', '.join(others)}: no container of the pipeline file"] if others else []


def _without(facts: Mapping[str, str], place: str) -> dict[str, str]:
    return {subject: value for subject, value in facts.items() if not subject.startswith(place)}
