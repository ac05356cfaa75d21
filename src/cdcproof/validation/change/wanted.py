"""What a pipeline will be made of once the files of a change are in force, beside what it is made of now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.containers import compose_file
from cdcproof.clients.containers.compose_config import rendered
from cdcproof.clients.containers.compose_file import Said
from cdcproof.connectors.deployment import definition
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import CONNECTORS, DEPLOYMENT, SCHEMA, changes
from cdcproof.validation.change.risk import Classified, Risk, classify


@dataclass(frozen=True)
class Files:
    """The files of a change: connectors' directory, compose files, each over those before it, and a baseline that has the new schema."""

    connectors: Path | None
    compose: tuple[Path, ...]
    schema: Path | None


@dataclass(frozen=True)
class Found:
    """The classified change, sentences about it, and what was to be compared and was not."""

    classified: Classified
    notes: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether nothing that was not compared could make the class another."""
        return not self.not_compared or self.classified.risk is Risk.HIGH


def classified(environment: Environment, pipeline: Pipeline, files: Files, downtime_minutes: float) -> Found:
    """Classify what the files would change. Raises `UsageError` without any file, and whatever keeps them from being read."""
    if not any((files.connectors, files.compose, files.schema)):
        raise UsageError(
            "There is no file to compare with what runs.",
            "Name --connectors DIR, --compose FILE or --schema FILE, or connectors in [paths].",
        )
    masked = baseline.mask("00")
    if files.connectors or files.schema:
        now = baseline.collect(environment, pipeline, masked, count=False)
    else:  # Connect and the databases have no say in what containers are made of, and may be down
        now = baseline.deployment_facts(environment, pipeline, masked)
    wanted = dict(now.values)
    notes: list[str] = []
    not_compared: list[str] = []
    if files.connectors:
        running = Connect(pipeline.connect).states()
        for asked in definition.read_all(files.connectors):
            connector = running.get(asked.name)
            filled = asked.with_kept_secrets(connector.config if connector else None)
            own = baseline.connector_facts(asked.name, filled.config, masked)
            wanted = {**_without(wanted, f"{CONNECTORS}/{asked.name}/"), **own}
    if files.compose:
        try:
            found = rendered(files.compose)
        except CouldNotLookError as error:
            not_compared += [f"{file}: {error.message} {error.remedy}" for file in files.compose]
        else:
            notes += found.warnings
            if DEPLOYMENT in now.unknown:
                not_compared += [f"{file}: {now.unknown[DEPLOYMENT]}" for file in files.compose]
            else:
                made_by = environment.compose_services(pipeline)
                laid = _with_services(wanted, compose_file.said(found), _Containers(pipeline, made_by), masked)
                wanted = laid.facts
                notes += laid.notes
                not_compared += laid.not_compared
    if files.schema:
        there = baseline.load(files.schema).facts.values
        wanted = {**_without(wanted, f"{SCHEMA}/"), **{s: v for s, v in there.items() if s.startswith(f"{SCHEMA}/")}}
    classified = classify(changes(now.values, wanted), wanted, downtime_minutes)
    return Found(classified, tuple(notes), tuple(not_compared))


@dataclass(frozen=True)
class _Containers:
    """The pipeline's services that are containers. `made_by` has the compose service that each was made from, where it is known."""

    pipeline: Pipeline
    made_by: Mapping[str, str]

    def names(self) -> dict[str, tuple[str, ...]]:
        """Service to the names that compose files may have for it, the surest first."""
        return {
            service.name: tuple(
                dict.fromkeys(n for n in (self.made_by.get(service.name), service.container, service.name) if n)
            )
            for service in self.pipeline.services
            if service.container
        }


@dataclass(frozen=True)
class _Laid:
    """Facts with what the compose files say laid over them."""

    facts: dict[str, str]
    notes: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


def _with_services(
    facts: Mapping[str, str], services: Mapping[str, Said], containers: _Containers, masked: baseline.Mask
) -> _Laid:
    """Facts with what the files say of the pipeline's services; a service that they no longer have is gone."""
    wanted = dict(facts)
    unread: list[str] = []
    by_names = containers.names()
    matched = {name: _named(names, services) for name, names in by_names.items()}
    if not any(matched.values()):
        return _Laid(wanted, (), (_nothing_matched(services, by_names),))
    for name, service in matched.items():
        place = f"{DEPLOYMENT}/{name}/"
        if service is None:
            wanted = _without(wanted, place)
            continue
        declared = services[service]
        wanted |= {place + setting: masked(setting, value) for setting, value in declared.settings.items()}
        unread += [f"{setting} of {service}: the compose files do not say one value" for setting in declared.unread]
    others = sorted(set(services) - set(matched.values()))
    notes = (f"{', '.join(others)}: no container of the pipeline file",) if others else ()
    return _Laid(wanted, notes, tuple(unread))


def _named(names: Iterable[str], services: Mapping[str, Said]) -> str | None:
    """The service of the files that is one of the pipeline's, by its own name or by that of its container."""
    for name in names:
        found = next((service for service, said in services.items() if name in (service, said.container)), None)
        if found:
            return found
    return None


def _nothing_matched(services: Iterable[str], by_names: Mapping[str, Iterable[str]]) -> str:
    if not by_names:
        return "the compose files: no service of the pipeline file has a container to compare them with"
    return (
        f"the compose files: none of their services ({', '.join(sorted(services))}) is a container of the pipeline file"
    )


def _without(facts: Mapping[str, str], place: str) -> dict[str, str]:
    return {subject: value for subject, value in facts.items() if not subject.startswith(place)}
