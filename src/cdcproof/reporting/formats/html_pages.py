"""The HTML pages: self-contained, no scripts, nothing from the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from cdcproof.reporting.formats import text
from cdcproof.reporting.formats.chart import NOTHING, Recalled
from cdcproof.reporting.formats.summary import Summary, local_time
from cdcproof.reporting.record import Run


def report_page(
    run: Run,
    changes: Sequence[str],
    runbook: str,
    undelivered: Sequence[str] = (),
    *,
    recalled: Recalled = NOTHING,
    section: Callable[[str], str] = lambda _: "",
) -> str:
    """The report of a run: what needs attention first, then every check with its evidence.

    `runbook` is the path from the page to the directory that holds ``docs/``; `undelivered` are messages that did not arrive; `recalled` is what
    the history knows; `section` gives what the runbook says at a place, for a page that is read elsewhere.
    """
    return rendered(
        "report.html",
        run=run,
        changes=changes,
        attention=text.needing_attention(run),
        blocked=text.blocked_lines(run),
        totals=text.totals(run),
        runbook=runbook,
        undelivered=undelivered,
        recalled=recalled,
        section=section,
    )


def summary_page(summary: Summary) -> str:
    """The daily summary."""
    return rendered("summary.html", summary=summary, run=summary.run, totals=text.totals(summary.run))


def rendered(template: str, **values: object) -> str:
    """A page from one of the templates. Every value is escaped."""
    return _templates().get_template(template).render(**values)


def way_up(page: Path, root: Path) -> str:
    """The relative path from a page to the directory that holds ``docs/``."""
    return Path(os.path.relpath(root, page.parent)).as_posix()


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("cdcproof.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["local_time"] = local_time
    return environment
