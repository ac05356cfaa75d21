"""Known vulnerabilities of what lock files pin, by pip-audit and the advisories that the package index itself serves.

python scripts/audit.py [--program PIP-AUDIT] [--ignored FILE] requirements.lock …

The exit status is 1 for a vulnerability that a newer version mends, unless the file of ignored ones names it, and 2 for a wrong file.
Where no service answers it says *not checked*, with 0: that is no fault of what is audited.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK_OF_PIP_AUDIT = ROOT / "requirements-audit.lock"
ANSWERS = "pip-audit==2.10.1"
"""A package that the index has, with an advisory or without: where it is not found, there is no service."""
INSTALL_SECONDS, PROBE_SECONDS, AUDIT_SECONDS = 60, 10, 120


class NotCheckedError(Exception):
    """Why nothing is known."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a version that is pinned."""

    package: str
    version: str
    names: frozenset[str]
    """Its id and that of others for the same."""
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no version mends it yet"
        return f"{self.package} {self.version}: {', '.join(sorted(self.names))}; {mended}"


@dataclass(frozen=True)
class Ignored:
    """An advisory that somebody accepts, why, and the last day of that."""

    advisory: str
    package: str
    reason: str
    until: date


def ignored_in(file: Path) -> list[Ignored]:
    """Raises ValueError with what is wrong in it."""
    found = []
    for advisory, keys in tomllib.loads(file.read_text(encoding="utf-8")).items():
        if not isinstance(keys, dict) or set(keys) != {"package", "reason", "until"}:
            raise ValueError(f"[{advisory}] needs package, reason and until, and nothing else")
        if type(keys["until"]) is not date:
            raise ValueError(f"[{advisory}] until must be a day, such as 2027-01-31")
        if not all(isinstance(keys[key], str) and keys[key].strip() for key in ("package", "reason")):
            raise ValueError(f"[{advisory}] package and reason must be text")
        found.append(Ignored(advisory, keys["package"], keys["reason"], keys["until"]))
    return found


def install(folder: Path) -> Path:
    """pip-audit in an environment of its own: beside cdcproof, the monthly check would use it."""
    commands = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(LOCK_OF_PIP_AUDIT)],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.CalledProcessError as error:
            raise NotCheckedError(f"pip-audit cannot be installed: {_last_line(error.stderr)}") from None
        except subprocess.TimeoutExpired:
            raise NotCheckedError(f"pip-audit was not installed within {INSTALL_SECONDS} s") from None
    return folder / "bin" / "pip-audit"


def answer(program: Path, seconds: int, *arguments: str) -> list[dict[str, object]]:
    """What pip-audit says of each package."""
    command = [str(program), "--format=json", "--progress-spinner=off", "--desc=off", "--disable-pip", *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NotCheckedError(f"pip-audit did not end within {seconds} s") from None
    except OSError as error:
        raise NotCheckedError(f"{program} cannot be run: {error.strerror}") from None
    try:
        found: list[dict[str, object]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        raise NotCheckedError(_last_line(done.stderr)) from None
    return found


def audit(program: Path, locks: Sequence[Path], folder: Path) -> tuple[list[Advisory], list[str], int]:
    """Advisories, packages that no service knows, and how many it knows. One package is asked for first, since without a service each costs a request."""
    one = folder / "one.txt"
    one.write_text(f"{ANSWERS}\n")
    probed = answer(program, PROBE_SECONDS, "--no-deps", "-r", str(one))
    if skipped := [str(package["skip_reason"]) for package in probed if "skip_reason" in package]:
        raise NotCheckedError(skipped[0])
    files = [word for lock in locks for word in ("-r", str(lock))]
    packages = answer(program, AUDIT_SECONDS, "--require-hashes", *files)
    if not packages:
        raise NotCheckedError("pip-audit lists no package")
    advisories = {
        Advisory(str(of["name"]), str(of["version"]), frozenset((one["id"], *one.get("aliases", ()))), tuple(one["fix_versions"]))
        for of in packages
        for one in of.get("vulns", ())
    }  # fmt: skip
    unknown = sorted({str(of["name"]) for of in packages if "skip_reason" in of})
    known = {(of["name"], of["version"]) for of in packages if "skip_reason" not in of}
    return sorted(advisories, key=str), unknown, len(known)


def report(advisories: Sequence[Advisory], ignored: Sequence[Ignored], today: date) -> int:
    """Print each, and what counts of it."""
    status, used = 0, set()
    for advisory in advisories:
        by = next((one for one in ignored if one.advisory in advisory.names and one.package == advisory.package), None)
        if by is not None:
            used.add(by)
        if by is not None and today <= by.until:
            print(f"ignored until {by.until}: {advisory}. {by.reason}")
        elif advisory.fixed_in:
            over = f" (it was ignored until {by.until})" if by else ""
            print(f"VULNERABLE: {advisory}{over}")
            status = 1
        else:
            print(f"known, without a remedy: {advisory}")
    for one in ignored:
        if one not in used:
            print(f"no longer needed in the file of ignored ones: {one.advisory} of {one.package}")
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--program", type=Path, help="a pip-audit that is installed; else it is installed for this run")
    words.add_argument("--ignored", type=Path, default=ROOT / "audit-ignored.toml")
    words.add_argument("locks", type=Path, nargs="+")
    given = words.parse_args(arguments)
    try:
        ignored = ignored_in(given.ignored)
    except (OSError, ValueError) as error:
        print(f"{given.ignored}: {error}", file=sys.stderr)
        return 2
    if missing := [str(lock) for lock in given.locks if not lock.is_file()]:
        print(f"no such lock file: {', '.join(missing)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = given.program or install(Path(folder) / "venv")
            advisories, unknown, known = audit(program, given.locks, Path(folder))
        except NotCheckedError as error:
            print(f"NOT CHECKED for known vulnerabilities: {error}")
            return 0
    status = report(advisories, ignored, datetime.now(UTC).date())
    if unknown:
        print(f"NOT CHECKED, since the service does not know them: {', '.join(unknown)}")
    print(f"{known} packages audited, {len(unknown)} not")
    return status


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


if __name__ == "__main__":
    sys.exit(main())
