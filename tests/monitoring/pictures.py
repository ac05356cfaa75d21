"""Pictures of dashboards: Grafana's own panels, bundled by esbuild, drawn by a headless Chromium from Prometheus' answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.monitoring.dashboards.answers import Scope
from cdcproof.monitoring.dashboards.model import filled

HERE = Path(__file__).parent / "grafana"
_BUNDLE = ("page.js", "page.css")
_LOADERS = [f"--loader:.{suffix}=dataurl" for suffix in ("svg", "png", "woff", "woff2", "ttf")]
_STEP_SECONDS = 2
"""As often as the run for pictures is scraped: it takes some minutes only."""
_CELL_PIXELS, _WIDTH_PIXELS = 38, 1472


def missing() -> str:
    """What the pictures need and this machine does not have, as a reason to skip; empty when all is there."""
    needs = [name for name in ("npm", "node", "chromium") if shutil.which(name) is None]
    return f"no {' and no '.join(needs)} on PATH" if needs else ""


def folder() -> Path:
    """Where the panels are kept from one run to the next."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "cdcproof" / "grafana-panels"


def bundle(folder: Path) -> None:
    """Install Grafana's panels in `folder` (450 MB, once) and make one script and one style sheet of them."""
    wanted, installed = HERE / "package.json", folder / "package.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not installed.exists() or installed.read_text() != wanted.read_text():
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        _run(
            folder, "npm", "install", "--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", *_packages(wanted)
        )
        shutil.copy(wanted, installed)
    for source in ("dashboard.jsx", "smaller.cjs"):
        shutil.copy(HERE / source, folder)
    icons = folder / "public" / "build" / "img"
    icons.parent.mkdir(parents=True, exist_ok=True)
    if not icons.exists():
        icons.symlink_to(folder / "node_modules" / "@grafana" / "ui" / "dist" / "public" / "img")
    _run(
        folder,
        "node_modules/@esbuild/linux-x64/bin/esbuild",  # its launcher needs an install script
        *("dashboard.jsx", "--bundle", "--minify", "--format=iife", "--jsx=automatic", f"--outfile={_BUNDLE[0]}"),
        '--define:process.env.NODE_ENV="production"',
        *_LOADERS,
    )


def draw(folder: Path, made: dict[str, Any], server: PrometheusServer, of: Scope, picture: Path) -> list[str]:
    """Draw the dashboard of Grafana's JSON with what Prometheus answers to its targets; the panels that are on the page."""
    panels = [panel | {"answers": _answers(panel, server, of)} for panel in made["panels"]]
    page = made | {"panels": panels, "range": {"start": of.start, "end": of.end, "step": _STEP_SECONDS}}
    text = json.dumps(page).replace("</", "<\\/")
    (folder / "page.html").write_text(
        "<!DOCTYPE html><meta charset=utf-8><link rel=stylesheet href=page.css><body><div id=root></div>"
        f"<script>window.dashboard = {text}</script><script src=page.js></script>"
    )
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    height = 48 + 24 + rows * _CELL_PIXELS
    picture.parent.mkdir(parents=True, exist_ok=True)
    browser = (
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *(
            "--allow-file-access-from-files",
            "--virtual-time-budget=5000",
            "--force-device-scale-factor=0.8",
            f"--user-data-dir={folder / 'browser'}",
        ),
        f"--window-size={_WIDTH_PIXELS},{height}",
    )
    address = (folder / "page.html").as_uri()
    _run(folder, *browser, f"--screenshot={picture}", address)
    _run(folder, "node", "smaller.cjs", str(picture))
    document = _run(folder, *browser, "--dump-dom", address)
    return [unescape(title) for title in re.findall(r'data-panel="([^"]*)"', document)]


def _packages(file: Path) -> list[str]:
    return [f"{name}@{version}" for name, version in json.loads(file.read_text())["dependencies"].items()]


def _answers(panel: dict[str, Any], server: PrometheusServer, of: Scope) -> dict[str, list[dict[str, Any]]]:
    return {target["refId"]: _answer(target, server, of) for target in panel.get("targets", ())}


def _answer(target: dict[str, Any], server: PrometheusServer, of: Scope) -> list[dict[str, Any]]:
    expression = filled(
        target["expr"],
        instance=of.instance,
        pipeline=of.pipeline,
        rate_seconds=10 * _STEP_SECONDS,
        range_seconds=int(of.end - of.start),
    )
    if target["instant"]:
        found = {labels: ((of.end, value),) for labels, value in server.query(expression).items()}
    else:
        found = server.query_range(expression, of.start, of.end, _STEP_SECONDS)
    return [
        {
            "name": re.sub(
                r"\{\{(\w+)\}\}", lambda m, at=labels: dict(at).get(m[1], ""), target.get("legendFormat", "")
            ),
            "labels": dict(labels),
            "values": [[at, value] for at, value in values],
        }
        for labels, values in sorted(found.items())
    ]


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
