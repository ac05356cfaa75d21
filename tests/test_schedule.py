"""The crontab and the systemd timers: both say the same, the runbook's lines are letter for letter, and systemd takes the units."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from cdcproof.cli.main import COMMANDS
from tests.crontab import Line, parse

ROOT = Path(__file__).parents[1]
CRONTAB = parse((ROOT / "monitoring" / "crontab").read_text())
UNITS = ROOT / "monitoring" / "systemd"
RUNBOOK = {
    "0 2 * * *": "cd /path/to/project && ./scripts/bash/backup-databases.sh --s3-bucket cdc-backups >> /var/log/cdc-backup.log 2>&1",
    "0 1 * * 0": "cd /path/to/project && ./scripts/bash/collect-diagnostics.sh >> /var/log/cdc-diagnostics.log 2>&1",
}
"""Those of the runbook's lines that could stay as they are."""
RUNBOOK_TIMES = {"0 2 * * *", "0 * * * *", "0 1 * * 0", "0 3 1 * *", "0 4 * * *"}
DAYS = {"0": "Sun", "1": "Mon"}


def unit(path: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, strict=True)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(path.read_text())
    return found


def calendar(line: Line) -> str:
    """The line's time as systemd writes it."""
    minute, hour, day, _, weekday = line.when.split(" ")
    weekdays = DAYS["1"] if "date +" in line.command else DAYS.get(weekday, "")
    days = day if day == "*" else "..".join(f"{int(d):02}" for d in day.split("-"))
    clock = f"{hour if hour == '*' else f'{int(hour):02}'}:{int(minute):02}:00"
    return f"{weekdays} *-*-{days} {clock} UTC".strip()


def timers() -> dict[str, str]:
    """Command to when it is run."""
    found = {}
    for path in sorted(UNITS.glob("*.timer")):
        service = unit(path.with_suffix(".service"))["Service"]
        words = re.sub(r"/path/to/project/\.venv/bin/", "", service["ExecStart"]).replace("/path/to/project/", "./")
        found[words] = unit(path)["Timer"]["OnCalendar"]
    return found


def test_the_runbooks_lines_are_there_letter_for_letter_and_every_time_of_it_has_a_task() -> None:
    lines = {line.when: line.written for line in CRONTAB.lines}

    assert {when: lines[when] for when in RUNBOOK} == RUNBOOK
    assert set(lines) >= RUNBOOK_TIMES


def test_no_password_is_in_the_crontab_or_a_unit() -> None:
    for path in (ROOT / "monitoring" / "crontab", *UNITS.iterdir()):
        assert not re.search(r"PASSWORD=|SECRET|--\w+-password", path.read_text()), path


def test_timers_and_crontab_run_the_same_commands_at_the_same_times() -> None:
    assert {line.words: calendar(line) for line in CRONTAB.lines} == timers()


def test_every_unit_reads_the_environment_file_and_catches_up_on_what_was_missed() -> None:
    services, times = (sorted(UNITS.glob(f"*.{kind}")) for kind in ("service", "timer"))
    assert [p.stem for p in services] == [p.stem for p in times]
    assert {unit(path)["Service"]["EnvironmentFile"] for path in services} == {"/etc/cdcproof/environment"}
    assert {unit(path)["Timer"]["Persistent"] for path in times} == {"true"}


@pytest.mark.parametrize("line", CRONTAB.lines, ids=lambda line: line.words)
def test_what_a_line_runs_is_there(line: Line) -> None:
    program, *words = line.words.split(" ")
    if program.startswith("./"):
        assert (ROOT / program).stat().st_mode & 0o111
    elif program == "cdcproof":
        assert words[0] in COMMANDS
    else:
        assert program == "pytest"
        assert (ROOT / "checks" / words[1]).is_dir()


def test_systemd_takes_every_unit_and_every_time(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/path/to/project", str(ROOT)))

    units = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60, check=False
    )

    complaints = [line for line in done.stderr.splitlines() if "cdcproof" in line]
    assert complaints == []


@pytest.mark.parametrize("line", CRONTAB.lines, ids=lambda line: line.words)
@pytest.mark.parametrize("weekday", ["1", "7"])
def test_cron_runs_each_line_in_the_project_with_the_passwords_and_into_its_log(
    line: Line, weekday: str, tmp_path: Path
) -> None:
    """As cron does: by its shell, with its settings and nothing else; our programs are stand-ins that say how they were called."""
    project, programs = tmp_path / "project", tmp_path / "project" / ".venv" / "bin"
    programs.mkdir(parents=True)
    shutil.copytree(ROOT / "scripts" / "bash", project / "scripts" / "bash")
    shutil.copytree(ROOT / "monitoring", project / "monitoring")
    (project / "fixtures" / "pipelines").mkdir(parents=True)
    for name in ("cdcproof", "pytest"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $@ | $PWD | $CDCPROOF_PIPELINE | $POSTGRES_PASSWORD"\n')
    (programs / "date").write_text(f"#!/bin/sh\necho {weekday}\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    (tmp_path / "environment").write_text("CDCPROOF_PIPELINE='warehouse'\nPOSTGRES_PASSWORD='it$ a #secret'\n")

    def there(text: str) -> str:
        return text.replace("/path/to/project", str(project)).replace("/var/log", str(tmp_path))

    environment = {name: there(value) for name, value in CRONTAB.settings.items()}
    environment |= {"HOME": str(tmp_path), "CDCPROOF_ENVIRONMENT": str(tmp_path / "environment")}
    command = [CRONTAB.settings["SHELL"], "-c", there(line.command)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout + done.stderr == "", "all goes to the log"
    log = Path(there(re.sub(r".* >> (\S+) .*", r"\1", line.command)))
    if "date +" in line.command and weekday != "1":
        assert not log.exists(), "only on Mondays"
        return
    assert done.returncode == 0
    words = {
        "./scripts/bash/backup-databases.sh": "cdcproof backup",
        "./scripts/bash/collect-diagnostics.sh": "cdcproof diagnose",
    }
    program, _, rest = line.words.partition(" ")
    called = f"{words.get(program, program)} {rest}".strip()
    found = [part.strip() for part in log.read_text().split("|")]
    assert found == [called, str(project), "warehouse", "it$ a #secret"]
