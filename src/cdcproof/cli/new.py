"""`cdcproof new`: make a project of one's own, in which the checks run."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from cdcproof import __version__, shipped
from cdcproof.onboarding import project

EXAMPLE = "cdcproof new ."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write a project in which `pytest -m morning` works. It has the pipeline file\n"
        "(cdcproof.toml), pytest.ini, conftest.py, checks/ for your own, a workflow for\n"
        "GitHub, crontab lines, and the version of cdcproof (requirements.txt).\n"
        "No file is overwritten: those that exist are named, and the exit status is 2."
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="where; it is made if it is not there")


def run(arguments: argparse.Namespace) -> int:
    """Write the files, and say what comes next."""
    folder: Path = arguments.directory.absolute()
    contents = project.project_files(folder, Path(sys.executable).parent, __version__, shipped.ROOT)
    written, there = project.write_missing(folder, contents)
    for path in written:
        print(arguments.directory / path)
    if there:
        print(
            "\n  ".join(("cdcproof: left as they are, because they exist:", *there))
            + "\nMake a project in an empty directory to see what they would hold.",
            file=sys.stderr,
        )
        return 2
    print(_next(arguments.directory), file=sys.stderr)
    return 0


def _next(directory: Path) -> str:
    go = "" if directory == Path() else f"  cd {shlex.quote(str(directory))}\n"
    return (
        "\nTo try it on a pipeline of this machine's own, which needs cdcproof[embedded]:\n"
        f"{go}  export CDCPROOF_PIPELINE=embedded\n"
        "  cdcproof up && cdcproof load && cdcproof reconcile --validate-checksums\n"
        "  pytest -m morning\n"
        "On your own pipeline, whose servers and tables belong in cdcproof.toml:\n"
        "  cdcproof check-config\n"
        "  pytest -m morning"
    )
