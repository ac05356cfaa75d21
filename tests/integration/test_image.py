"""The image of cdcproof itself, built by a real container engine on a base that stands in for the one that cannot be pulled here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.clients.containers.engine import Engine
from cdcproof.core.errors import CouldNotLookError

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
STAND_IN = "cdcproof-stand-in:bookworm"
BASE, IMAGE = "cdcproof-python:bookworm", "cdcproof:tested"
VERSION = "1.2.3"


def docker(*arguments: str | Path, **settings: str) -> str:
    done = subprocess.run(
        ["docker", *map(str, arguments)],
        env={**os.environ, "DOCKER_BUILDKIT": "0"} | settings,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image, without extras: what they bring is a matter of pip."""
    try:
        with Engine():
            pass
    except CouldNotLookError as error:
        pytest.skip(f"no container engine: {error.message}")
    if subprocess.run(["docker", "image", "inspect", STAND_IN], capture_output=True, check=False).returncode:
        pytest.skip(f"the container engine has no image {STAND_IN}: scripts/ci/docker-engine.sh makes it")
    recipe = tmp_path_factory.mktemp("base")
    authorities = Path(os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt"))
    shutil.copy(authorities, recipe / "authorities.crt")  # with which this machine reaches its package index
    (recipe / "Dockerfile").write_text(
        f"FROM {STAND_IN}\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends python3-venv\n"
        "COPY authorities.crt /etc/authorities.crt\n"
        "ENV PIP_CERT=/etc/authorities.crt\n"
    )
    docker("build", "-q", "--network", "host", "-t", BASE, recipe)
    given = (f"BASE={BASE}", "EXTRAS=", f"VERSION={VERSION}")
    docker("build", "-q", "--network", "host", "-t", IMAGE, *(w for one in given for w in ("--build-arg", one)), ROOT)
    yield IMAGE
    docker("rmi", "-f", IMAGE, BASE)


def test_it_runs_the_checks_as_nobody_in_particular(image: str) -> None:
    script = (
        "set -e; id -u; cdcproof --version; python -c 'import ctypes; ctypes.CDLL(\"libodbc.so.2\")'; "
        "cdcproof new . >/dev/null 2>&1; pytest -m morning --collect-only -q | grep -c morning/; ls -A /opt"
    )

    told = docker("run", "--rm", "--network", "none", image, "sh", "-c", script).split("\n")

    assert told[0] == "10001"
    assert told[1] == f"cdcproof {VERSION}"
    assert int(told[2]) > 20
    assert told[3:-1] == ["cdcproof"], "no source, no build tools"
