"""The exporter's first page, for people: links to both metrics and to the newest reports, and what was not answered, and why.

Reports hold keys of rows. So they are served read-only, by the names that the page lists and no others, and only where
the exporter listens at a loopback address and is asked under such a name: a page of the network whose name was bound to
this machine by a browser gets none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cdcproof.core import bounded
from cdcproof.core.errors import CdcproofError
from cdcproof.core.waiting import Deadline
from cdcproof.monitoring.exporter.probe import SCRAPE_SECONDS, Line, Probe
from cdcproof.monitoring.exporter.reconciliation import is_report
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.ownership import foreign, place_of
from cdcproof.reconcile.report.result import read
from cdcproof.reporting.formats.html_pages import rendered
from cdcproof.reporting.places import folder_of

Start = Callable[..., Any]
_REPORTS = "/reports/"
_NEWEST = 10
_PAGES = ("summary.html", "morning.html", "weekly.html", "monthly.html")
_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8"}
_MOST_BYTES = 32 * 2**20
_HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]


class Landing:
    """Answers every path but that of the metrics."""

    def __init__(self, pipeline: Pipeline, host: str, lines: Callable[[], Sequence[Line]]) -> None:
        self._pipeline = pipeline
        self._serves_reports = is_loopback(host)
        self._lines = lines
        self._probe: Probe[dict[str, Path]] = Probe("The file system of the reports", SCRAPE_SECONDS)

    def answer(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """A WSGI application."""
        path = str(environ["PATH_INFO"])
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _said(start, "405 Method Not Allowed", "This page is only read.", [("Allow", "GET, HEAD")])
        if path == "/":
            return _sent(start, self._page().encode(), _TYPES[".html"])
        if path.startswith(_REPORTS) and self._serves_reports and _asked_as_loopback(environ):
            found = self._reports().get(unquote(path.removeprefix(_REPORTS)))
            if found:
                return _file(start, found)
        return _said(start, "404 Not Found", "Nothing is here. The first page is /.")

    def _page(self) -> str:
        urls = self._pipeline.exporters
        return rendered(
            "exporter.html",
            pipeline=self._pipeline.name,
            source=place_of(self._pipeline.source),
            target=place_of(self._pipeline.target),
            metrics=(("reconciliation", urls.reconciliation_url), ("connectors and databases", urls.connect_url)),
            reports=list(self._reports()),
            links=self._serves_reports,
            folder=self._pipeline.paths.reconciliation_reports.resolve(),
            lines=self._lines(),
        )

    def _reports(self) -> dict[str, Path]:
        """The files that are offered, by name; none where their file system does not answer."""
        try:
            return self._probe.result(self._probe.begin(self._listed), Deadline(SCRAPE_SECONDS))
        except CdcproofError:
            return {}

    def _listed(self) -> dict[str, Path]:
        """Of this pipeline alone, no links, the newest first."""
        pages = [folder_of(self._pipeline.name, self._pipeline.paths.reports) / name for name in _PAGES]
        try:
            names = [path for path in self._pipeline.paths.reconciliation_reports.iterdir() if is_report(path.name)]
        except OSError:
            names = []
        own: list[Path] = []
        for path in sorted(names, key=lambda path: path.name, reverse=True)[: 2 * _NEWEST]:
            if len(own) < _NEWEST and _is_file(path) and _is_of(path, self._pipeline):
                own.append(path)
        files = [*pages, *(file for path in own for file in (path.with_suffix(".html"), path))]
        return {path.name: path for path in files if _is_file(path)}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _asked_as_loopback(environ: dict[str, Any]) -> bool:
    return is_loopback(urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and path.stat().st_size <= _MOST_BYTES
    except OSError:
        return False


def _is_of(path: Path, pipeline: Pipeline) -> bool:
    try:
        return not foreign(read(path), pipeline)
    except CdcproofError:
        return False


def _file(start: Start, path: Path) -> Iterable[bytes]:
    try:
        body = bounded.read_bytes(path, _MOST_BYTES)
    except OSError:
        return _said(start, "404 Not Found", "The file is gone.")
    return _sent(start, body, _TYPES[path.suffix])


def _sent(start: Start, body: bytes, content_type: str) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body))), *_HEADERS])
    return [body]


def _said(start: Start, status: str, text: str, more: Sequence[tuple[str, str]] = ()) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start(status, [("Content-Type", _TYPES[".txt"]), ("Content-Length", str(len(body))), *_HEADERS, *more])
    return [body]
