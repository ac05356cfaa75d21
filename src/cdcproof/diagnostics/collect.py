"""Collecting everything side by side, under one deadline."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core.errors import CdcproofError
from cdcproof.core.secrets import known, learn_environment, scrub
from cdcproof.core.waiting import Deadline
from cdcproof.diagnostics import archive, page
from cdcproof.diagnostics.archive import Archive
from cdcproof.diagnostics.items import items
from cdcproof.diagnostics.parts import File, Item, Missing, Part, Remark, Scope, file_name
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline

DEADLINE_SECONDS = 60.0
SINCE_SECONDS = 2 * 3600.0


def collect(
    pipeline: Pipeline,
    environment: Environment,
    *,
    output_dir: Path | None = None,
    since_seconds: float = SINCE_SECONDS,
    deadline_seconds: float = DEADLINE_SECONDS,
    missing: Sequence[Missing] = (),
    report: Callable[[str], None] = lambda _: None,
) -> Archive:
    """Collect what `items` lists of a located pipeline, and write it. `missing` is what was found to be missing before.

    `report` is called with the name of each item that is done. Raises `OperationError` where the archive cannot be written;
    what cannot be collected is in the archive, and in what is returned.
    """
    _know_passwords(pipeline)
    started = datetime.now(UTC)
    scope = Scope(pipeline, environment, time.time() - since_seconds, Deadline(deadline_seconds))
    wanted = items(pipeline)
    parts = gather(wanted, scope, report)
    files = archive.scrubbed(archive.bounded(part) for part in parts if isinstance(part, File))
    files, left_out = archive.within_limit(files)
    absent = tuple(map(_scrubbed, (*missing, *(part for part in parts if isinstance(part, Missing)), *left_out)))
    remarks = tuple(dict.fromkeys(scrub(part.text) for part in parts if isinstance(part, Remark)))
    name = f"cdc-diagnostics-{file_name(pipeline.name)}-{started:%Y%m%d_%H%M%S}"
    index = page.index(
        pipeline,
        environment.name,
        started=started,
        since_seconds=since_seconds,
        wanted=wanted,
        files=files,
        missing=absent,
        remarks=remarks,
    )
    path = archive.write([File("index.html", scrub(index)), *files], name, output_dir)
    return Archive(path, name, ("index.html", *(file.path for file in files)), absent, remarks)


def gather(wanted: Iterable[Item], scope: Scope, report: Callable[[str], None] = lambda _: None) -> list[Part]:
    """The parts of all items, in their order. What has not come by the deadline is missing; nothing is raised."""
    gathered = {item.name: _Gathering(item) for item in wanted}
    threads = [(one, threading.Thread(target=one.run, args=(scope, report), daemon=True)) for one in gathered.values()]
    for _, thread in threads:
        thread.start()
    for _, thread in threads:
        thread.join(scope.deadline.remaining_seconds)
    return [part for one in gathered.values() for part in one.close(scope.deadline.seconds)]


class _Gathering:
    """The parts of one item, as they come from its thread; after `close` they are dropped."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._lock = threading.Lock()
        self._parts: list[Part] = []
        self._ended = self._closed = False

    def run(self, scope: Scope, report: Callable[[str], None]) -> None:
        try:
            for part in self._item.gather(scope):
                if not self._add(part):
                    return
        except CdcproofError as error:
            self._add(Missing(self._item.name, error.message, error.remedy))
        except Exception as error:  # noqa: BLE001  a defect in one item must not cost the others
            self._add(Missing(self._item.name, f"It failed: {type(error).__name__}: {error}"))
        with self._lock:
            self._ended = True
            is_late = self._closed
        if not is_late:
            report(self._item.name)

    def close(self, seconds: float) -> list[Part]:
        with self._lock:
            self._closed = True
            late = [] if self._ended else [Missing(self._item.name, f"It had not ended after {seconds:g} s.")]
            return [*self._parts, *late]

    def _add(self, part: Part) -> bool:
        with self._lock:
            if not self._closed:
                self._parts.append(part)
            return not self._closed


def _know_passwords(pipeline: Pipeline) -> None:
    """Every password that the pipeline file names, and whatever else this environment holds under the name of a secret."""
    accounts = (pipeline.round_trip.source, pipeline.round_trip.target)
    services = (pipeline.connect, pipeline.registry, pipeline.prometheus, pipeline.pushgateway)
    named = {one.password_env for one in (pipeline.source, pipeline.target, *services, *accounts) if one}
    known(os.environ.get(name, "") for name in named if name)
    learn_environment(os.environ)


def _scrubbed(missing: Missing) -> Missing:
    return Missing(scrub(missing.what), scrub(missing.why), scrub(missing.remedy))
