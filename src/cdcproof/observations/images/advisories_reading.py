"""Runs `pip-audit` over what is installed beside this program."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig

from cdcproof.core import bounded_program
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import scrub
from cdcproof.observations.images.advisories import Advisories, Audited

_SECONDS = 180.0


def audit() -> Advisories:
    """What pip-audit says. Raises `CouldNotLookError` where it is not installed, or does not end in time.

    Without ``--strict``, which ends at the first package that the service does not know: so every one of them is named.
    """
    scripts = sysconfig.get_path("scripts")
    program = shutil.which("pip-audit") or shutil.which("pip-audit", path=scripts)
    if program is None:
        raise CouldNotLookError("pip-audit is not installed here.", "Install it by itself: pipx install pip-audit")
    places = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    command = [program, "--format=json", "--progress-spinner=off", *(f"--path={place}" for place in places)]
    try:
        done = bounded_program.run(command, seconds=_SECONDS)
    except subprocess.TimeoutExpired:
        raise CouldNotLookError(
            f"pip-audit did not end within {_SECONDS:g} s.", "Let this machine reach the package index."
        ) from None
    except OSError as error:
        raise CouldNotLookError(f"{program} cannot be run: {error.strerror}.") from None
    try:
        return Advisories(tuple(_audited(one) for one in parsed(done.stdout)["dependencies"]))
    except (ValueError, KeyError, TypeError):
        said = scrub(done.stderr.strip()).splitlines()[-1:] or ["nothing"]
        raise UnexpectedAnswerError(
            f"pip-audit ended with status {done.returncode} and no list of packages: {said[0]}",
            "Let this machine reach the package index, and run it by hand: pip-audit",
        ) from None


def _audited(answer: dict[str, object]) -> Audited:
    vulnerabilities = answer.get("vulns", ())
    if "skip_reason" not in answer and not isinstance(vulnerabilities, list):
        raise TypeError("neither audited nor skipped")
    return Audited(
        str(answer["name"]),
        str(answer.get("version", "")),
        str(answer.get("skip_reason", "")),
        tuple(
            (str(one["id"]), ", ".join(one.get("fix_versions", ())) or "no version")
            for one in (vulnerabilities if isinstance(vulnerabilities, list) else ())
        ),
    )
