"""The options that we add to pytest, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.options import seconds
from cdcproof.pipeline.choice import ELSE
from cdcproof.validation.baseline.comparison import Expectation
from cdcproof.validation.change.change_file import expectations


def add(parser: pytest.Parser) -> None:
    """Add our options, after those of everybody else: each as ``--cdcproof-…`` too, and by that name alone where the short one is taken."""
    group = parser.getgroup("cdcproof", "the pipeline under check")
    taken = _names(parser)

    def add_option(name: str, **settings: Any) -> None:
        short = () if f"--{name}" in taken else (f"--{name}",)
        group.addoption(*short, f"--cdcproof-{name}", **settings)

    add_option(
        "env",
        dest="cdcproof_env",
        choices=("live", "compose", "embedded"),
        help="where the pipeline runs (default: what the pipeline file says)",
    )
    add_option(
        "pipeline",
        dest="cdcproof_pipeline",
        metavar="NAME_OR_PATH",
        help=f"expected state: a name in fixtures/pipelines/ or a TOML file (default: {ELSE})",
    )
    add_option(
        "reports-dir",
        dest="cdcproof_reports",
        metavar="DIR",
        help="where reports are written, and acts.log (default: reports, beside pytest.ini)",
    )
    add_option(
        "replay",
        dest="cdcproof_replay",
        type=Path,
        metavar="FILE",
        help="judge the observations of a recorded run again (reports/evidence/*.jsonl): nothing is connected to",
    )
    add_option(
        "allow-acts",
        dest="cdcproof_allow_acts",
        action="store_true",
        help="let -m validate and -m staging write their test rows into a live pipeline, and -m staging its connectors",
    )
    add_option(
        "change",
        dest="cdcproof_change",
        type=Path,
        metavar="FILE",
        help="the change that was made, a TOML file: -m validate accepts what it expects, and nothing else",
    )
    add_option(
        "expect",
        dest="cdcproof_expect",
        action="append",
        default=[],
        metavar="FACT",
        help="a fact that the change intends, like 'connectors/sink/batch.size = 5000'; without a value: may change",
    )
    add_option(
        "soak",
        dest="cdcproof_soak",
        metavar="TIME",
        type=seconds,
        default="5s",
        help="how long -m validate and -m staging watch for flaps: 90s, 30m, 2h (default: 5s; the runbook: 30m)",
    )
    add_option(
        "ctrf",
        dest="cdcproof_ctrf",
        metavar="FILE",
        help="write the verdicts as a CTRF report too (Common Test Report Format, JSON)",
    )
    add_option(
        "time-limit",
        dest="cdcproof_time_limit",
        metavar="TIME",
        type=seconds,
        help="when to give up on a run that hangs, and call the rest not checked "
        "(default: 10m; 130m and the soak with -m validate and -m staging)",
    )


def _names(parser: pytest.Parser) -> set[str]:
    """Every option that pytest, other plug-ins and the project's conftest.py have added so far."""
    groups = (*parser._groups, parser._anonymous)  # pytest has no other way to ask
    return {name for group in groups for option in group.options for name in option.names()}


def reports_dir(config: pytest.Config) -> Path | None:
    """The directory that `--reports-dir` names; None where the option is not given."""
    named = config.getoption("cdcproof_reports")
    return config.rootpath / named if named else None


def ctrf_file(config: pytest.Config) -> Path | None:
    """The file that `--ctrf` names, from where pytest was started; None where the option is not given."""
    named = config.getoption("cdcproof_ctrf")
    return config.invocation_params.dir / named if named else None


def replayed_file(config: pytest.Config) -> Path | None:
    """The recording that `--replay` names, from where pytest was started; None where the option is not given."""
    named = config.getoption("cdcproof_replay")
    return config.invocation_params.dir / named if named else None


def acts_are_allowed(config: pytest.Config) -> bool:
    """Whether a live pipeline may be changed."""
    return bool(config.getoption("cdcproof_allow_acts"))


def intentions(config: pytest.Config) -> tuple[Expectation, ...]:
    """What the change that was made intended. Raises `ConfigError` and `UsageError`."""
    return expectations(config.getoption("cdcproof_change"), config.getoption("cdcproof_expect"))


def soak_seconds(config: pytest.Config) -> float:
    """How long to watch."""
    return float(config.getoption("cdcproof_soak"))


def time_limit_seconds(config: pytest.Config) -> float | None:
    """How long the whole run may take, where that was asked."""
    limit = config.getoption("cdcproof_time_limit")
    return None if limit is None else float(limit)
