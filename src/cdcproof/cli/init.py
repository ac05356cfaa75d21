"""`cdcproof init`: write a pipeline file from a running Kafka Connect."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from textwrap import fill

from cdcproof.onboarding.discovery import Asked, discover
from cdcproof.onboarding.pairing import Choice
from cdcproof.onboarding.pipeline_file import text_of, write
from cdcproof.pipeline.model import http_url

EXAMPLE = "cdcproof init --connect-url http://localhost:8083 --output warehouse.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Write a pipeline file from a running Kafka Connect: connectors, task counts,\n"
        "databases, tables, topics, keys, addresses. No password is written. Primary keys\n"
        "are read from the source when its password is in the environment:\n"
        "SQLSERVER_PASSWORD, or POSTGRES_SOURCE_PASSWORD beside a PostgreSQL target\n"
        "(POSTGRES_PASSWORD). What could not be learned is said, and marked in the file."
    )
    parser.add_argument(
        "--connect-url", required=True, type=_address, metavar="URL", help="Kafka Connect's REST interface"
    )
    parser.add_argument(
        "--connect-user", metavar="NAME", help="user for Kafka Connect; the password is read from $CONNECT_PASSWORD"
    )
    parser.add_argument("--name", type=_name, help="the pipeline's name (default: that of the source database)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: fixtures/pipelines/NAME.toml, else NAME.toml)",
    )
    chosen = parser.add_argument_group("where Connect runs more than one pipeline")
    chosen.add_argument(
        "--source-connector", metavar="NAME", help="the source (default: the first that a JDBC sink reads)"
    )
    chosen.add_argument("--source-database", metavar="NAME", help="one of its databases (default: the first)")
    chosen.add_argument(
        "--sink-connector", metavar="NAME", help="the sink whose tables are compared (default: the first)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file when it exists")
    found = parser.add_argument_group("for what cannot be found")
    found.add_argument("--kafka", type=_brokers, metavar="HOST:PORT,…", help="bootstrap servers")
    found.add_argument("--registry-url", type=_address, metavar="URL", help="schema registry")
    found.add_argument(
        "--reconciliation-reports", metavar="DIR", help="directory of the reports (default: reconciliation_reports)"
    )
    found.add_argument(
        "--reconciliation-metrics-url", type=_address, metavar="URL", help="default: http://localhost:9103/metrics"
    )
    found.add_argument(
        "--connect-metrics-url", type=_address, metavar="URL", help="default: http://localhost:9104/metrics"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file; 0 also when something could not be learned, which is said."""
    found = discover(
        Asked(
            connect_url=arguments.connect_url,
            connect_user=arguments.connect_user,
            name=arguments.name,
            kafka=arguments.kafka,
            registry_url=arguments.registry_url,
            reconciliation_reports=arguments.reconciliation_reports,
            reconciliation_metrics_url=arguments.reconciliation_metrics_url,
            connect_metrics_url=arguments.connect_metrics_url,
            choice=Choice(arguments.source_connector, arguments.source_database, arguments.sink_connector),
        )
    )
    path = arguments.output or _default_path(found.pipeline.name)
    pipeline = write(
        text_of(found.pipeline, [(note.section, note.text) for note in found.notes]), path, overwrite=arguments.force
    )
    for note in found.notes:
        print(fill(f"{note.section}: {note.text}", 80, subsequent_indent="  ", break_on_hyphens=False), file=sys.stderr)
    print(
        f"\n{len(pipeline.connectors)} connectors, {len(pipeline.tables)} tables, {len(pipeline.services)} services. "
        "Next:\n"
        f"  export {pipeline.source.password_env}=… {pipeline.target.password_env}=…\n"
        f"  cdcproof check-config --pipeline {path}\n"
        f"  pytest -m morning --pipeline={path}",
        file=sys.stderr,
    )
    print(path)
    return 0


def _default_path(name: str) -> Path:
    directory = Path("fixtures/pipelines")
    return (directory if directory.is_dir() else Path()) / f"{name}.toml"


def _address(text: str) -> str:
    if "@" in text:  # a password in it must not be quoted; `discover` says where it belongs
        return text
    try:
        return http_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _brokers(text: str) -> str:
    if not all(re.fullmatch(r"\S+:\d+", server.strip()) for server in text.split(",")):
        raise argparse.ArgumentTypeError("must be host:port, several separated by commas")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        raise argparse.ArgumentTypeError("must be of letters, digits, _ . and -, and begin with a letter or a digit")
    return text
