"""`cdcproof env`: the embedded pipeline's passwords as shell commands, so that what a check offers can be pasted."""

from __future__ import annotations

import argparse
import shlex

from cdcproof.cli.instance import add_instance
from cdcproof.environments.embedded import folders, passwords, state
from cdcproof.environments.embedded.services import postgres_cluster

EXAMPLE = 'eval "$(cdcproof env)"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Print, as commands for the shell, what the actions of the checks need on the\n"
        "embedded pipeline. These are the passwords of its accounts, PGUSER and\n"
        "PGPASSWORD of its databases' administrator, and a PATH with psql. They are\n"
        "secrets of this machine only."
    )
    add_instance(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the exports."""
    kept = passwords.of(state.running(folders.instance_name(arguments.instance)))
    for name, value in {
        passwords.SOURCE_VARIABLE: kept.source.reveal(),
        passwords.TARGET_VARIABLE: kept.target.reveal(),
        "PGUSER": postgres_cluster.SUPERUSER,
        "PGPASSWORD": kept.superuser.reveal(),
    }.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH="$PATH":{shlex.quote(str(postgres_cluster.programs()))}')
    return 0
