"""Everything that is written once at the end of a run. One reporter that fails takes no other with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cdcproof.core import files
from cdcproof.core.secrets import scrub
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import HttpService
from cdcproof.reporting import journal, places, runbook, scheduled
from cdcproof.reporting.formats import ctrf, html_pages, metrics
from cdcproof.reporting.formats.chart import NOTHING, Recalled
from cdcproof.reporting.formats.summary import summarize
from cdcproof.reporting.formats.text import NO_CHANGE, changes
from cdcproof.reporting.record import Run, StepRecord


@dataclass(frozen=True)
class Published:
    """What became of a run's reports. `html` is None when there is no report to name.

    `failures` are reports that could not be written, `warnings` what the operator should know but can live with.
    """

    html: Path | None
    changes: tuple[str, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]


def publish(
    run: Run,
    root: Path,
    reports: Path,
    pushgateway: Callable[[], HttpService | None],
    notify: Callable[[Run, Sequence[str], str], Sequence[str]] = lambda _run, _changes, _page: (),
    *,
    remember: Callable[[Run], Recalled] = lambda _run: NOTHING,
) -> Published:
    """Write every report of a run below `reports`; each failure is returned as a sentence, and never raised.

    A run of a part has a page of its own, and leaves the page and the summary of the whole alone.
    `root` holds ``docs/``, to which the report links. `notify` sends the run to its receivers, and returns
    each delivery that failed, which stands in the report too. `remember` keeps the run in the history, and returns what that knows.
    """
    reports = places.folder_of(run.pipeline, reports)
    html = reports / f"{journal.suite_name(run)}.html"
    unwritten = _Attempts("could not be written")
    unpushed = _Attempts("could not be pushed")
    unsent = _Attempts("could not be sent")

    if not unwritten.attempt(f"The directory {reports}", lambda: reports.mkdir(parents=True, exist_ok=True)):
        return Published(None, (), tuple(unwritten.problems), ())
    changed: list[str] = []
    unwritten.attempt(
        "The comparison with the last run", lambda: changed.extend(changes(journal.previous(run, reports), run))
    )
    unwritten.attempt("The journal of runs", lambda: journal.write(run, reports))

    recalled = remember(run)

    def write_summary() -> None:
        summary = summarize(run, changed, str(html), recalled)
        files.write_whole(reports / "summary.txt", summary.as_text())
        files.write_whole(reports / "summary.md", summary.as_markdown())
        files.write_whole(reports / "summary.html", html_pages.summary_page(summary))

    undelivered: list[str] = []

    def send() -> None:
        undelivered.extend(notify(run, changed, str(html)))

    def write_html() -> None:
        files.write_whole(
            html,
            html_pages.report_page(
                run,
                changed,
                html_pages.way_up(html, root),
                unsent.problems + undelivered,
                recalled=recalled,
                section=partial(runbook.section, root),
            ),
        )

    if "morning" in run.suites and "morning" not in run.parts:
        unwritten.attempt("The daily summary", write_summary)
    unsent.attempt("The messages", send)
    has_html = unwritten.attempt("The HTML report", write_html)

    def write_metrics() -> None:
        successes = journal.last_success(run, reports)
        gateway = pushgateway()
        for suite in run.suites:
            records, ended_at = journal.state_of(suite, run, reports)
            failed = journal.failed_runs(suite, run, reports)
            registry = metrics.registry_of(run.pipeline, suite, records, successes, ended_at, failed_runs=failed)
            if gateway:
                unpushed.attempt("The metrics", partial(metrics.push, registry, run.pipeline, suite, gateway))
            else:
                metrics.write_text_file(registry, reports / f"cdcproof-{suite}.prom")

    def keep_scheduled(suite: str) -> None:
        unseen = (Verdict.NOT_CHECKED, Verdict.BLOCKED)
        looked = not any(step.verdict in unseen for step in run.steps if step.suite == suite)
        ended_at = run.started_at + run.duration_seconds
        scheduled.keep(suite, run.pipeline, at=ended_at, succeeded=looked, reports=reports, gateway=pushgateway())

    unwritten.attempt("The metrics", write_metrics)
    for suite in (one for one in run.suites if one in scheduled.COMMANDS and one not in run.parts):
        if not unpushed.problems:  # one sentence about a Pushgateway that is away is enough
            unpushed.attempt("The time of this run", partial(keep_scheduled, suite))
    return Published(
        html if has_html else None,
        tuple(changed),
        tuple(unwritten.problems),
        (*unsent.problems, *undelivered, *unpushed.problems, *filter(None, [recalled.problem])),
    )


def publish_replay(run: Run, before: Sequence[StepRecord], name: str, root: Path, reports: Path) -> Published:
    """Write the reports of a replay, which are in a folder of their own: no report, metric or journal of what was looked at is touched.

    `before` are the verdicts of the recorded run, `name` is that of the recording.
    """
    folder = places.folder_of(run.pipeline, reports) / "replays"
    html = folder / f"{name}.html"
    unwritten = _Attempts("could not be written")
    differences = changes(replace(run, steps=tuple(before), missing=()), run)
    changed = (
        differences if differences != [NO_CHANGE] else ["Every verdict, and all that was found, is as it was recorded."]
    )

    def write_all() -> None:
        summary = summarize(run, changed, str(html))
        files.write_whole(folder / f"{name}.txt", summary.as_text())
        files.write_whole(folder / f"{name}.json", json.dumps(run.as_dict(), indent=1, ensure_ascii=False) + "\n")
        files.write_whole(
            html,
            html_pages.report_page(run, changed, html_pages.way_up(html, root), section=partial(runbook.section, root)),
        )

    done = unwritten.attempt("The reports of the replay", write_all)
    return Published(html if done else None, tuple(changed), tuple(unwritten.problems), ())


def write_ctrf(run: Run, file: Path) -> tuple[str, ...]:
    """Write the run as a CTRF report; why it could not be, else nothing."""
    unwritten = _Attempts("could not be written")

    def write() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(file, ctrf.of_run(run))

    unwritten.attempt("The CTRF report", write)
    return tuple(unwritten.problems)


class _Attempts:
    """Tries things one by one and keeps a sentence about each that failed."""

    def __init__(self, fate: str) -> None:
        self._fate = fate
        self.problems: list[str] = []

    def attempt(self, what: str, write: Callable[[], object]) -> bool:
        try:
            write()
        except Exception as error:  # noqa: BLE001  verdicts must survive whatever a reporter does
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.problems.append(scrub(f"{what} {self._fate}: {' '.join(str(reason).split())}"))
            return False
        return True
