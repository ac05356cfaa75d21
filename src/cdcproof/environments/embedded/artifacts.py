"""What the embedded pipeline is made of: fetched once, verified against `artifacts.lock`, kept in the user cache.

An artifact appears in the cache under its own name only after its checksum was right, and an unpacked archive only
after all of it is there, so that whatever interrupts a fetch leaves nothing that could be mistaken for a whole file.
jgo is the only client used to fetch: from Maven Central, or from the mirror that `MIRROR_VARIABLE` names. It asks
through the proxy of HTTPS_PROXY, and with the account of ~/.netrc; it does not read ~/.m2/settings.xml.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cdcproof.core.errors import OperationError, UnreachableError
from cdcproof.core.files import sha256_of
from cdcproof.core.locking import only_one
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import folders

MIRROR_VARIABLE = "CDCPROOF_MAVEN_MIRROR"
"""The address of a repository that has what Maven Central has. The checksums stay the same."""
_LOCK_WAIT_SECONDS = 600.0
_FETCH_TIMEOUT_SECONDS = 60
_SECTIONS = ("kafka", "plugins", "converter", "registry")
_DRIVERS_OF_OTHERS = ("mariadb-java-client", "mysql-connector-j", "ojdbc11")
_CONVERTER_CLASS = "io.apicurio.registry.utils.converter.AvroConverter"

Fetch = Callable[["Artifact", Path], Path]
"""Fetches an artifact into a folder and returns the file."""


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository, and the checksum it must have."""

    group: str
    name: str
    version: str
    classifier: str
    type: str
    sha256: str
    used_for: str
    """One of kafka, plugins, converter, registry."""

    def __str__(self) -> str:
        return ":".join(filter(None, (self.group, self.name, self.version, self.classifier)))

    @property
    def file_name(self) -> str:
        """The name a Maven repository gives the file."""
        return f"{'-'.join(filter(None, (self.name, self.version, self.classifier)))}.{self.type}"

    @property
    def is_archive(self) -> bool:
        """Whether it has to be unpacked."""
        return self.type == "tar.gz"


@dataclass(frozen=True)
class Parts:
    """What the services are started from."""

    kafka_jars: tuple[Path, ...]
    """Class path of ZooKeeper and Kafka."""
    connect_jars: tuple[Path, ...]
    """Class path of Kafka Connect, the connectors and the converter included: a class archive holds nothing else."""
    plugins: Path
    """The connectors and the converter as a plugin.path has them: a folder each."""
    registry: Path
    """The unpacked schema registry."""
    digest: str
    """Changes when any artifact changes."""


def parse(text: str) -> tuple[Artifact, ...]:
    """Read a lock file. Raises `OperationError` naming the line that cannot be read."""
    artifacts = []
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[] ")
            continue
        coordinates, _, sha256 = line.strip().partition(" ")
        parts = coordinates.split(":")
        if section not in _SECTIONS or len(parts) not in (3, 5) or not all(parts) or len(sha256) != 64:
            raise OperationError(
                f"artifacts.lock:{number}: not G:A:V[:classifier:type] and a SHA-256 in a known section: {line!r}"
            )
        group, name, version, classifier, kind = parts if len(parts) == 5 else [*parts, "", "jar"]
        artifacts.append(Artifact(group, name, version, classifier, kind, sha256, section))
    return tuple(artifacts)


def locked() -> tuple[Artifact, ...]:
    """The artifacts of this version of cdcproof."""
    return parse(files("cdcproof.environments.embedded").joinpath("artifacts.lock").read_text(encoding="utf-8"))


def ready(cache: Path, progress: Progress) -> Parts:
    """The parts, fetching what is missing. Raises `OperationError` or `UnreachableError` when they cannot be had."""
    artifacts = locked()
    digest = hashlib.sha256("".join(sorted(a.sha256 for a in artifacts)).encode()).hexdigest()[:16]
    unpacked = cache / f"unpacked-{digest}"
    marker = unpacked / "complete"
    if not marker.exists():
        try:
            with only_one(cache / "lock", "fetching the parts", progress, deadline_seconds=_LOCK_WAIT_SECONDS):
                if not marker.exists():
                    fetch_all(artifacts, cache / "artifacts", _fetch_with_jgo, progress)
                    _unpack(artifacts, cache / "artifacts", unpacked, progress)
                    marker.touch()
        except OSError as error:
            raise OperationError(
                f"The parts of the embedded pipeline cannot be kept in {cache}: {error.strerror or error}.",
                f"{folders.way_out(error)} 400 MB are needed there; XDG_CACHE_HOME names another place.",
            ) from None
    jars = tuple(cache / "artifacts" / a.file_name for a in artifacts if a.used_for == "kafka")
    plugins = unpacked / "plugins"
    return Parts(jars, one_of_each((*jars, *sorted(plugins.glob("*/*.jar")))), plugins, unpacked / "registry", digest)


def one_of_each(jars: Sequence[Path]) -> tuple[Path, ...]:
    """The first of the jars that hold one library in several versions, and no driver of a database that is not here."""
    libraries: dict[str, Path] = {}
    for jar in jars:
        libraries.setdefault((re.match(r".+?-\d+", jar.stem) or [jar.stem])[0], jar)
    return tuple(jar for library, jar in libraries.items() if not library.startswith(_DRIVERS_OF_OTHERS))


def fetch_all(artifacts: Sequence[Artifact], folder: Path, fetch: Fetch, progress: Progress) -> None:
    """Fetch what `folder` does not hold yet, each verified before it gets its name there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [a for a in artifacts if not (folder / a.file_name).exists()]
    incoming = folder / "incoming"
    for number, artifact in enumerate(missing):
        progress.count(f"fetching {artifact.name} {artifact.version}", number, len(missing), "files")
        shutil.rmtree(incoming, ignore_errors=True)  # half a file of an interrupted fetch would pass for a whole one
        file = fetch(artifact, incoming)
        found = sha256_of(file)
        if found != artifact.sha256:
            shutil.rmtree(incoming)
            raise OperationError(
                f"{artifact} was fetched, but it is not the file that was pinned: "
                f"its SHA-256 is {found}, artifacts.lock has {artifact.sha256}.",
                "The download was deleted. If that happens again, the Maven repository in use serves another file.",
            )
        file.replace(folder / artifact.file_name)
    shutil.rmtree(incoming, ignore_errors=True)
    if missing:
        progress.done(f"fetched and verified {len(missing)} artifacts")


def _fetch_with_jgo(artifact: Artifact, folder: Path) -> Path:
    from jgo.maven import MavenContext  # noqa: PLC0415  slow to import, and rarely needed

    mirror = os.environ.get(MIRROR_VARIABLE)
    context = MavenContext(
        repo_cache=folder,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_FETCH_TIMEOUT_SECONDS,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        return Path(component.artifact(classifier=artifact.classifier, packaging=artifact.type).resolve())
    except OSError as error:  # what requests raises is an OSError too
        if error.errno:
            raise
        raise UnreachableError(f"{artifact} could not be fetched: {error}", _FETCH_REMEDY) from None
    except RuntimeError as error:
        raise UnreachableError(f"{artifact} could not be fetched: {error}", _FETCH_REMEDY) from None


_FETCH_REMEDY = (
    "Check that Maven artifacts can be reached from here, and run the command again: it goes on where it stopped. "
    f"A proxy is named by HTTPS_PROXY, a mirror so: export {MIRROR_VARIABLE}=https://nexus.example.com/repository/maven-central"
)


def _unpack(artifacts: Sequence[Artifact], folder: Path, target: Path, progress: Progress) -> None:
    shutil.rmtree(target, ignore_errors=True)
    converter = target / "plugins" / "apicurio-avro-converter"
    converter.mkdir(parents=True)
    for artifact in artifacts:
        file = folder / artifact.file_name
        if artifact.is_archive:
            progress.waiting(f"unpacking {artifact.name}")
            with tarfile.open(file) as archive:
                archive.extractall(target / artifact.used_for, filter="data")
        elif artifact.used_for == "converter":
            shutil.copy(file, converter)
    # The converter's own files do not say what they hold, and Connect starts seconds faster when it need not search.
    with zipfile.ZipFile(converter / "manifest.jar", "w") as manifest:
        manifest.writestr("META-INF/services/org.apache.kafka.connect.storage.Converter", f"{_CONVERTER_CLASS}\n")
