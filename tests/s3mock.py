"""Adobe's S3Mock, one for a session: it refuses a wrong checksum, which moto and s3rver accept.

Use it by `pytest_plugins = ["tests.s3mock"]`. It speaks https on this machine's loopback alone, by a certificate of its own; its plain port would
listen on all interfaces. PYTEST_DONT_REWRITE: test modules import this one before pytest registers it.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.core.errors import CouldNotLookError, UnreachableError
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import artifacts, folders
from cdcproof.environments.embedded.artifacts import Artifact
from cdcproof.environments.embedded.services import java

_SHA256 = "18bbedb5d741587aaf254b1a91c65d632afd88c18badf214d5777b0ca4b772ba"
_JAR = Artifact("com.adobe.testing", "s3mock", "4.9.1", "exec", "jar", _SHA256, "tests")
_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m")


@dataclass(frozen=True)
class S3Mock:
    """A running store. Credentials and its certificate are in the environment while it runs."""

    endpoint: str

    def store(self, bucket: str) -> ObjectStore:
        """A bucket of its own, made here."""
        made = ObjectStore(bucket, self.endpoint)
        made.ask(lambda client: client.create_bucket(Bucket=bucket))
        return made


@pytest.fixture(scope="session")
def s3mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Mock]:
    """Start it; a test that cannot fetch it says so."""
    cache = folders.cache_folder() / "tests"
    try:
        artifacts.fetch_all((_JAR,), cache, artifacts._fetch_with_jgo, Progress())
    except CouldNotLookError as error:
        pytest.skip(f"S3Mock cannot be fetched: {error.message}")
    folder = tmp_path_factory.mktemp("s3mock")
    port = _free_port()
    command = [str(java.find().program), *_FLAGS, f"-Djava.io.tmpdir={folder}", "-jar", str(cache / _JAR.file_name)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--server.port={port}", "--com.adobe.testing.s3mock.http-port=0", "--server.address=127.0.0.1"],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    environment = {
        "AWS_ACCESS_KEY_ID": "backup",
        "AWS_SECRET_ACCESS_KEY": "not-really-a-secret-key",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CA_BUNDLE": str(folder / "certificate.pem"),
    }
    before = {name: os.environ.get(name) for name in environment}
    try:
        (folder / "certificate.pem").write_text(_certificate(port, process, folder / "log"))
        os.environ.update(environment)
        yield S3Mock(f"https://localhost:{port}")
    finally:
        process.kill()
        process.wait(timeout=30)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _certificate(port: int, process: subprocess.Popen[bytes], log: Path) -> str:
    def look() -> str:
        if process.poll() is not None:
            pytest.fail(f"S3Mock has ended:\n{log.read_text()}")
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
        except OSError as error:
            raise UnreachableError(f"{error}\n{log.read_text()}") from None

    return wait_until(look, bool, what="S3Mock", deadline_seconds=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
