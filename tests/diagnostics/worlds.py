"""An environment that stands for one whose services all answer, or none."""

from __future__ import annotations

import tarfile
from contextlib import nullcontext
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import FileSystem, ServiceState
from cdcproof.pipeline.model import Pipeline


class World:
    """Implements `environments.base.Environment`; `text` is in every log."""

    name = "embedded"

    def __init__(self, text: str = "", *, up: bool = True, settings: dict[str, str] | None = None) -> None:
        self.text = text
        self.up = up
        self.settings = settings or {}

    def running(self):
        return nullcontext()

    def locate(self, pipeline: Pipeline) -> Pipeline:
        return pipeline

    def header(self, pipeline: Pipeline) -> list[str]:
        return ["a world of the tests"]

    def services(self, pipeline: Pipeline) -> tuple[ServiceState, ...]:
        return tuple(
            ServiceState(s.name, s.role, up=self.up, healthy=None, detail="as the test has it")
            for s in pipeline.services
        )

    def logs(self, pipeline: Pipeline, service: str, lines: int = 50, since: float = 0.0) -> str:
        if not self.up:
            raise CouldNotLookError(f"There is no log of {service}.")
        return "\n".join(self.text.splitlines()[-lines:])

    def thread_dump(self, pipeline: Pipeline, service: str) -> str:
        if not self.up:
            raise CouldNotLookError(f"{service} does not run.")
        return f"Full thread dump\n{self.text}"

    def restart_command(self, service: str) -> tuple[str, ...]:
        return (f"restart {service}",)

    def shell(self, command: str) -> str:
        return command

    def deployment(self, pipeline: Pipeline) -> dict[str, dict[str, str]]:
        return {service.name: self.settings for service in pipeline.services}

    def compose_services(self, pipeline: Pipeline) -> dict[str, str]:
        return {}

    def file_systems(self, pipeline: Pipeline) -> tuple[FileSystem, ...]:
        return (FileSystem("/data", 50.0 if self.up else 99.0, None, 1 << 30, 2 << 30),)


def read(path: Path) -> dict[str, bytes]:
    """Names and contents of an archive, without the folder that is around all of it."""
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


def whole(path: Path) -> bytes:
    """Every byte of an archive as it is before it is compressed, names included."""
    import gzip

    return gzip.decompress(path.read_bytes())
