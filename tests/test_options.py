"""The options of validation, in a small project of checks."""

from __future__ import annotations

import argparse

import pytest

from cdcproof.pytest_options import _seconds

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(("told", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("45", 45), ("1.5m", 90)])
def test_a_soak_is_told_as_people_say_it(told: str, seconds: float) -> None:
    assert _seconds(told) == seconds


@pytest.mark.parametrize("told", ["0", "0m", "soon", "", "5d", "-5s", "1e3", "nan"])
def test_a_soak_of_no_time_is_refused(told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no time to watch"):
        _seconds(told)


def test_it_is_refused_before_any_check_runs(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest("-p", "cdcproof.pytest_plugin", "--soak=soon", "-p", "no:cacheprovider")

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines("*--soak: 'soon' is no time to watch; write it like 90s, 30m or 2h*")
