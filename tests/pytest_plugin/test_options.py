"""The options of validation, in a small project of checks."""

from __future__ import annotations

import pytest

from cdcproof.cli.options import seconds
from cdcproof.core.errors import UsageError
from cdcproof.pytest_plugin.options import acts_are_allowed, intentions, soak_seconds

pytest_plugins = ["pytester"]


def test_a_soak_is_told_as_people_say_it(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "cdcproof.pytest_plugin", "--soak=1.5m")

    assert soak_seconds(config) == seconds("90s") == 90


def test_a_soak_of_no_time_is_refused_before_any_check_runs(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest("-p", "cdcproof.pytest_plugin", "--soak=soon", "-p", "no:cacheprovider")

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines("*--soak/--cdcproof-soak: 'soon' is no time; write it like 90s, 30m or 2h*")


def test_an_expectation_that_cannot_be_is_told_in_a_sentence(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "cdcproof.pytest_plugin", "--expect=sink.batch.size = 5")

    with pytest.raises(UsageError, match="must begin with one of: versions/"):
        intentions(config)


def test_acts_are_not_allowed_by_default(pytester: pytest.Pytester) -> None:
    assert not acts_are_allowed(pytester.parseconfig("-p", "cdcproof.pytest_plugin"))
    assert acts_are_allowed(pytester.parseconfig("-p", "cdcproof.pytest_plugin", "--allow-acts"))


def test_a_project_with_an_option_of_the_same_name_keeps_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--env', default='of the project')\n")

    config = pytester.parseconfig("-p", "cdcproof.pytest_plugin", "--env=theirs", "--cdcproof-env=live", "--soak=2s")

    assert config.getoption("--env") == "theirs"
    assert config.getoption("cdcproof_env") == "live"
    assert config.getoption("--soak") == config.getoption("--cdcproof-soak") == 2
