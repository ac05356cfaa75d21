"""Whose metrics a page has, when it was made, and which services answered for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from cdcproof.monitoring.exporter.series import Metric, gauge
from cdcproof.observations.reconciliation.exporter_page import INFO, RENDERED, UP
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.ownership import place_of


def about(pipeline: Pipeline) -> tuple[Metric, Metric]:
    """A copy of a page, or another pipeline's, must not pass for ours."""
    whose = (pipeline.name, place_of(pipeline.source), place_of(pipeline.target))
    return (
        gauge(
            INFO, "The pipeline that the metrics on this port are about.", {whose: 1.0}, "pipeline", "source", "target"
        ),
        gauge(RENDERED, "When the metrics on this port were made.", {(): time.time()}),
    )


def places(of: Mapping[str, Path]) -> Metric:
    """Service to the file or directory that is looked at for it: the alert on one that cannot be used names it."""
    return gauge(
        "cdcproof_exporter_path",
        "1 for the file or directory that the metrics on this port are made from.",
        {(service, str(path.absolute())): 1.0 for service, path in of.items()},
        "service",
        "path",
    )


def up(answered: Mapping[str, bool]) -> Metric:
    """Service to whether it answered."""
    return gauge(
        UP,
        "1: what the metrics on this port are made from could be used; 0: it could not.",
        {service: float(answer) for service, answer in answered.items()},
        "service",
    )
