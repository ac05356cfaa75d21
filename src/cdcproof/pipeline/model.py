"""The pipeline: the expected state, read from a TOML file that holds no secrets.

Every model is frozen and refuses unknown keys. `load` turns whatever is wrong with a file into a
`ConfigError` that names the file, the line and the key.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError
from cdcproof.pipeline import choice as pipeline_choice
from cdcproof.pipeline import toml_models
from cdcproof.pipeline.contacts import Contacts
from cdcproof.pipeline.engines import Engine
from cdcproof.pipeline.notification import Notify
from cdcproof.pipeline.toml_models import Model, Name


def http_url(text: str) -> str:
    """The address of an HTTP service, without a slash at its end. Raises ValueError saying what an address must be."""
    if not text.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    parts = urlsplit(text)
    if parts.username is not None:
        raise ValueError("must hold no user and no password: name them by user and password_env")
    if not parts.hostname or parts.port == 0:  # reading the port raises for one that cannot be
        raise ValueError("must name a host, and a port from 1 to 65535 where it has one")
    return text.rstrip("/")


def environment_variable(name: str) -> str:
    """The name of an environment variable. Raises ValueError for what cannot be one, and is perhaps the secret itself."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name != PLACEHOLDER:
        raise ValueError(
            "must be the name of an environment variable, of letters, digits and _; the secret is its value"
        )
    return name


Url = Annotated[Name, AfterValidator(http_url)]
Variable = Annotated[Name, AfterValidator(environment_variable)]
PLACEHOLDER = "TO-BE-FILLED-IN"
"""What `cdcproof init` writes for a required value that it could not learn; `cdcproof check-config` asks for it."""

Role = Literal["source", "target", "zookeeper", "kafka", "registry", "connect", "monitoring"]
Value = bool | int | float | str | datetime | date | time
"""What TOML can write into a row. An exact decimal or a uuid is written as text: the database reads it."""


def qualified(name: str) -> str:
    """The name of a table with its schema. Raises ValueError for one without."""
    if name != PLACEHOLDER and (name.count(".") != 1 or not all(name.split("."))):
        raise ValueError("must be schema.table")
    return name


Authentication = Literal[
    "Windows",
    "ActiveDirectoryPassword",
    "ActiveDirectoryServicePrincipal",
    "ActiveDirectoryMsi",
    "ActiveDirectoryIntegrated",
]
"""The driver's own words, and ``Windows`` for its Trusted_Connection."""


class Database(Model):
    """Where a database is and whose account we use; the password is in the environment."""

    type: Engine
    host: Name
    port: int = Field(ge=1, le=65535)
    database: Name
    user: Name
    password_env: Variable
    schema_name: Name = Field(alias="schema")
    publication: str | None = None
    """PostgreSQL source only: the publication that the source connector reads."""
    slot: str | None = None
    """PostgreSQL source only: the replication slot that the source connector reads."""
    scrub_slot: str | None = None
    """PostgreSQL source only: a replication slot of our own, by which a scrub finds out what was written."""
    other_tables: tuple[Name, ...] = ()
    """Source only: tables, by ``schema.table`` or pattern, that the connector captures and this pipeline does not answer for."""
    other_slots: tuple[Name, ...] = ()
    """PostgreSQL source only: slots of the server that others look after, by name or pattern: they may be inactive."""
    encrypt: bool | None = None
    """Whether TLS is demanded; None: of SQL Server it is, PostgreSQL's is used where the server has it."""
    trust_server_certificate: bool = False
    """Accept a certificate that no known authority signed."""
    ca_file: Path | None = None
    """PostgreSQL only: the certificate of the authority that signed the server's, in PEM; TLS is demanded then."""
    host_name_in_certificate: Name | None = None
    """SQL Server only: the name in the server's certificate, where it is not `host`."""
    authentication: Authentication | None = None
    """SQL Server only: how the account logs in, where it is not by name and password of the server's own."""
    multi_subnet_failover: bool = False
    """SQL Server only: the host is a listener with an address in each of several subnets."""

    @model_validator(mode="after")
    def _keys_of_its_engine(self) -> Database:
        keys = ("ca_file",) if self.type == "sqlserver" else ("host_name_in_certificate", "authentication")
        other = {"sqlserver": "PostgreSQL", "postgresql": "SQL Server"}[self.type]
        given = [key for key in keys if getattr(self, key)]
        if given:
            raise ValueError(f"{given[0]} is for {other}")
        if self.encrypt is False and (self.ca_file or self.host_name_in_certificate):
            raise ValueError("encrypt = false leaves no certificate to judge")
        return self


class HttpService(Model):
    """A service with an HTTP address."""

    url: Url
    user: str | None = None
    password_env: Variable | None = None
    ca_file: Path | None = None
    """The certificate of the authority that signed the service's, in PEM."""


class ConnectService(HttpService):
    """Kafka Connect, and which of its connectors are none of this pipeline's business."""

    other_connectors: tuple[Name, ...] = ()
    """Names of other pipelines' connectors; ``*`` stands for any text."""


class Kafka(Model):
    """The brokers, and how to log in. Certificates are always verified, the host's name included."""

    bootstrap_servers: Name
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """As the brokers' listener has it."""
    ca_file: Path | None = None
    """The certificate of the authority that signed the brokers', in PEM; none: those that this machine trusts."""
    certificate_file: Path | None = None
    """Our own certificate, in PEM, where the brokers ask for one (mTLS)."""
    key_file: Path | None = None
    """The key of `certificate_file`, in PEM."""
    key_password_env: Variable | None = None
    """The environment variable with the password of `key_file`, where it has one."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How to log in, with ``SASL_…``."""
    user: Name | None = None
    password_env: Variable | None = None

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def tool_options(self) -> tuple[str, ...]:
        """What Kafka's own commands want; the login is in a file that docs/PIPELINE.md shows."""
        login = () if self.security_protocol == "PLAINTEXT" else ("--command-config", "client.properties")
        return ("--bootstrap-server", self.bootstrap_servers, *login)

    @model_validator(mode="after")
    def _says_how_to_log_in(self) -> Kafka:
        login = {"sasl_mechanism": self.sasl_mechanism, "user": self.user, "password_env": self.password_env}
        for key, value in login.items():
            if self.security_protocol.startswith("SASL") and not value:
                raise ValueError(f"{key} is required with security_protocol {self.security_protocol}")
            if not self.security_protocol.startswith("SASL") and value:
                raise ValueError(f"{key} needs security_protocol SASL_SSL or SASL_PLAINTEXT")
        return self

    @model_validator(mode="after")
    def _says_what_tls_needs(self) -> Kafka:
        given = [key for key in ("ca_file", "certificate_file", "key_file", "key_password_env") if getattr(self, key)]
        if given and not self.uses_tls:
            raise ValueError(f"{given[0]} needs security_protocol SSL or SASL_SSL")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file belong together")
        if self.key_password_env and not self.key_file:
            raise ValueError("key_password_env is the password of key_file, which is missing")
        return self


class Exporters(Model):
    """Where `cdcproof exporter` serves its metrics."""

    reconciliation_url: Url = "http://localhost:9103/metrics"
    connect_url: Url = "http://localhost:9104/metrics"


class Service(Model):
    """A service that must be up. `container` is its name at the container engine, `endpoint` its address without one.

    `endpoint` is ``http://host:port/path`` (must answer below 500) or ``tcp://host:port`` (must accept).
    """

    name: Name
    role: Role
    container: str | None = None
    endpoint: str | None = None
    ca_file: Path | None = None
    """The certificate of the authority that signed that of an `endpoint` with https, in PEM."""

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint and not re.fullmatch(r"(https?://\S+|tcp://([^\s/:]+|\[[^\s/\]]+\]):\d+)", endpoint):
            raise ValueError("must be http://host:port/path, https://… or tcp://host:port")
        if endpoint and "@" in endpoint.partition("://")[2].partition("/")[0]:
            raise ValueError("must hold no user and no password")
        return endpoint


class Table(Model):
    """A replicated table under the name the runbook uses for it."""

    name: Name
    source: Name
    """Schema-qualified name at the source: ``dbo.customers``."""
    target: Name
    """Schema-qualified name at the target: ``public.customers``."""
    topic: Name
    key: tuple[Name, ...]
    """Columns by their names at the source; empty for a table whose rows nothing distinguishes."""
    exclude: tuple[Name, ...] = ()
    """Columns of the source, or of the target alone, that are not compared."""
    rename: dict[Name, Name] = Field({})
    """A column's name at the source to its name at the target, where the two differ in more than case."""
    written_as: dict[
        Name,
        Literal[
            "days", "seconds", "milliseconds", "microseconds", "nanoseconds", "iso", "iso-utc", "base64", "hex", "json"
        ],
    ] = Field({})
    """A column's name at the source to how the sink writes it, where its type at the target does not say: its unit, its alphabet, or that it is JSON."""
    source_filter: Name | None = None
    """A condition in the source's SQL: only rows for which it holds are replicated."""
    target_filter: Name | None = None
    """A condition in the target's SQL: only rows for which it holds came from this source."""
    row_policies: tuple[Name, ...] = ()
    """Security policies that are known to hide no row of the table from the account of the checks."""
    update_column: Name | None = None
    """A column of the source that every write of a row sets to a later value."""
    test_row: dict[Name, Value] | None = None
    """The row that the round trip inserts: a key that nobody else uses, and what the table demands."""
    test_update: dict[Name, Value] | None = None
    """What it then changes in that row."""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def target_key(self) -> tuple[str, ...]:
        """The key's columns by their names at the target."""
        return tuple(self.rename.get(name, name) for name in self.key)

    @field_validator("source", "target")
    @classmethod
    def _is_qualified(cls, name: str) -> str:
        return qualified(name)

    @field_validator("key", "exclude")
    @classmethod
    def _lists_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in columns if columns.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is listed twice")
        return columns

    @field_validator("rename")
    @classmethod
    def _renames_apart(cls, rename: dict[str, str]) -> dict[str, str]:
        names = list(rename.values())
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two columns cannot both be {twice[0]} at the target")
        return rename

    @model_validator(mode="after")
    def _excludes_nothing_that_is_needed(self) -> Table:
        for what, names in (("key", self.key), ("rename", self.rename), ("written_as", self.written_as)):
            both = [name for name in self.exclude if name in names]
            if both:
                raise ValueError(f"{both[0]} is in {what} and in exclude")
        return self

    @model_validator(mode="after")
    def _test_row_can_make_a_round_trip(self) -> Table:
        row, update = self.test_row, self.test_update
        if row is None and update is None:
            return self
        if not row or not update:
            raise ValueError("test_row and test_update belong together: the row is inserted, and then changed")
        if not self.key or not set(self.key) <= set(row):
            raise ValueError("test_row must have the columns of the key, and the table a key")
        if not set(update) <= set(row) - set(self.key):
            raise ValueError("test_update may only change columns that test_row has, and not the key")
        if all(update[column] == row[column] for column in update):
            raise ValueError("test_update must change something")
        return self


class Account(Model):
    """An account that may write, where that of `[source]` or `[target]` may only read."""

    user: Name
    password_env: Variable


class Canary(Model):
    """A row that something changes all the time at the source: what may not be written to can be followed by it."""

    table: Name
    """One of the tables, by its name here."""
    key: dict[Name, Value] = Field(min_length=1)
    column: Name
    """What changes with every beat."""


class RoundTrip(Model):
    """How the test rows travel, and how long they may take.

    The source's account inserts, updates and deletes them; the target's only deletes what was left lying there.
    """

    hop_seconds: float = Field(default=30, gt=0)
    """A change must be at the target within this time; the runbook waits 30 s."""
    deadline_seconds: float = Field(default=120, gt=0)
    """How long a change is waited for, to distinguish one that is late from one that never comes."""
    source: Account | None = None
    target: Account | None = None
    canary: Canary | None = None

    @model_validator(mode="after")
    def _waits_long_enough(self) -> RoundTrip:
        if self.deadline_seconds < self.hop_seconds:
            raise ValueError("deadline_seconds must not be below hop_seconds")
        return self


class Freshness(Model):
    """A row that is written at the source all the time: how old it is at the target is how old the target is."""

    source: Name
    """Schema-qualified name of its table at the source."""
    target: Name
    """Schema-qualified name of its table at the target."""
    column: Name = "beat_at"
    """Milliseconds since 1970 by the source's clock, as a whole number; or a time with its zone."""
    target_seconds: float = Field(default=60, gt=0)
    """How old it may be."""

    @field_validator("source", "target")
    @classmethod
    def _is_qualified(cls, name: str) -> str:
        return qualified(name)


def group_of(sink: str) -> str:
    """The consumer group that Connect gives a sink connector of this name, unless its configuration says another."""
    return f"connect-{sink}"


class Connector(Model):
    """A connector that must run with this many tasks."""

    name: Name
    kind: Literal["source", "sink"]
    tasks: int = Field(default=1, ge=1)
    group: Name | None = None
    """The consumer group of a sink, where its configuration names one (``consumer.override.group.id``)."""

    @model_validator(mode="after")
    def _only_a_sink_consumes(self) -> Connector:
        if self.group and self.kind != "sink":
            raise ValueError("group is for a sink: a source consumes nothing")
        return self

    @property
    def consumer_group(self) -> str:
        """The group a sink connector consumes with."""
        return self.group or group_of(self.name)


class Thresholds(Model):
    """Limits, each with its unit in its name."""

    report_age_hours: float = Field(default=2, gt=0)
    """The runbook reconciles hourly: one missed run is tolerated, a second is not."""
    contents_age_hours: float = Field(default=26, gt=0)
    """How long ago contents may have been compared, where the runs between only count rows: a day, and some tolerance."""
    clock_skew_seconds: float = Field(default=60, ge=0)
    lag_records: int = Field(default=10_000, ge=0)
    lag_seconds: float = Field(default=300, gt=0)
    source_lag_mebibytes: float = Field(default=1024, gt=0)
    """PostgreSQL: how much of the log the source connector may not have been sent yet."""
    source_lag_seconds: float = Field(default=300, gt=0)
    """SQL Server: how old a captured change may be that the source connector has not read."""
    capture_seconds: float = Field(default=900, gt=0)
    """SQL Server: how old the capture job's newest entry may be, which it makes every 300 s at least, and how late its last scan was."""
    capture_headroom_hours: float = Field(default=12, ge=0)
    """SQL Server: what must be left until the cleanup job takes away the oldest change that a source connector has not read."""
    disk_warn_percent: float = Field(default=70, gt=0, le=100)
    disk_fail_percent: float = Field(default=80, gt=0, le=100)
    backup_keep_days: float = Field(default=7, gt=0)
    report_keep_days: float = Field(default=90, gt=0)
    history_keep_days: float = Field(default=400, gt=0)
    """How long `reports/history.sqlite3` knows a run."""
    backup_age_hours: float = Field(default=26, gt=0)
    """The runbook backs up daily at 02:00: a night that was missed is seen in the morning."""
    failures_7d: int = Field(default=3, ge=0)
    """Of hourly reconciliations, so many may fail or differ within 7 days."""
    metrics_gap_minutes: float = Field(default=30, ge=0)
    """So long may Prometheus have no samples within 7 days: a restart or two."""
    growth_percent_7d: float = Field(default=25, gt=0)
    """By so much the source and each topic may grow within 7 days."""
    days_until_full: float = Field(default=30, gt=0)
    """So many days a file system must last, as fast as it fills."""
    image_age_days: float = Field(default=180, gt=0)
    """How long ago the image of a container may have been made."""
    certificate_warn_days: float = Field(default=30, gt=0)
    certificate_fail_days: float = Field(default=7, gt=0)
    """So many days a certificate must last: whoever renews it needs some of them."""
    slot_retained_mebibytes: float = Field(default=1024, gt=0)
    restarts_24h: int = Field(default=3, ge=0)
    fence_seconds: float = Field(default=90, gt=0)
    """How long a connector may take to commit what it has done: a worker does it every 60 s unless its configuration says otherwise."""
    proof_age_hours: float = Field(default=168, gt=0)
    """How long ago a row may have been proven, where tables are proven in parts (`reconcile --budget`)."""

    @model_validator(mode="after")
    def _warn_below_fail(self) -> Thresholds:
        if self.disk_warn_percent > self.disk_fail_percent:
            raise ValueError("disk_warn_percent must not be above disk_fail_percent")
        if self.certificate_warn_days < self.certificate_fail_days:
            raise ValueError("certificate_warn_days must not be below certificate_fail_days")
        return self


class Paths(Model):
    """Where files are; relative paths are relative to the working directory, as in the runbook's commands."""

    reconciliation_reports: Path = Path("reconciliation_reports")
    backups: Path | None = None
    """Without one, no backup directory is looked at: name it where there is one (the runbook: /var/backups/cdc)."""
    backup_log: Path | None = None
    """Where the backup job writes, if its runs leave no log of their own in the backup directory (the runbook: /var/log/cdc-backup.log)."""
    baselines: Path = Path("baselines")
    """Where `cdcproof baseline` keeps what the pipeline was made of, a file for each pipeline."""
    connectors: Path | None = None
    """Directory of the connectors' JSON files, as `cdcproof connectors plan` and `apply` take them."""
    compose_files: tuple[Path, ...] = ()
    """The compose files that the containers are made by, each over those before it."""
    volumes: tuple[Path, ...] = ()
    """Directories whose file systems hold data; in `compose` the containers' data mounts are looked at as well."""

    @property
    def reports(self) -> Path:
        """Where everything else is written: ``reports``, beside the directory of the reconciliation reports."""
        return self.reconciliation_reports.parent / "reports"


class Backup(Model):
    """How `cdcproof backup` makes backups of this pipeline, and where it puts them beside `paths.backups`."""

    s3_bucket: Name | None = None
    """The bucket that a backup is uploaded to; none: it stays on this machine."""
    s3_endpoint: Url | None = None
    """Where the bucket is; none: at Amazon, or where AWS_ENDPOINT_URL says."""
    s3_keep_days: float = Field(default=30, gt=0)
    keep_count: int = Field(default=3, ge=1)
    """So many of the newest good ones stay, however old they are. (`thresholds.backup_keep_days` is how old others may be.)"""
    jobs: int = Field(default=2, ge=1)
    """PostgreSQL: tables that are dumped, or restored, at the same time."""
    server_directory: Name | None = None
    """SQL Server: `paths.backups` as the server sees it, which writes there; none: by the same path."""
    source: Account | None = None
    """Who may back up and restore the source's database, where the account of `[source]` may not."""
    target: Account | None = None


class Maintenance(Model):
    """What a maintenance window asks for before it may start."""

    go_minutes: float = Field(default=60, gt=0)
    """How long the go of `pytest -m premaintenance` holds."""
    backup_age_hours: float = Field(default=24, gt=0)
    """How old the newest backup may be that was restored to prove it."""


class Recovery(Model):
    """What recovery after a disaster must keep to; the runbook's targets."""

    rto_hours: float = Field(default=4, gt=0)
    """Recovery time objective: from the loss until replication is proven again."""
    rpo_hours: float = Field(default=24, gt=0)
    """Recovery point objective: how much of what was written last may be lost."""
    drill_days: float = Field(default=92, gt=0)
    """A drill every quarter."""


class Waiver(Model):
    """A known failure that is accepted until a day, with a reason."""

    step: Name
    reason: Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)]
    expires: date


class Pipeline(Model):
    """The expected state of one pipeline."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    environment: Literal["live", "compose", "embedded"] = "live"
    source: Database
    target: Database
    connect: ConnectService
    kafka: Kafka
    registry: HttpService | None = None
    prometheus: HttpService | None = None
    alertmanager: HttpService | None = None
    pushgateway: HttpService | None = None
    exporters: Exporters = Exporters()
    services: tuple[Service, ...] = Field(min_length=1)
    connectors: tuple[Connector, ...] = Field(min_length=1)
    tables: tuple[Table, ...] = Field(min_length=1)
    thresholds: Thresholds = Thresholds()
    round_trip: RoundTrip = RoundTrip()
    freshness: Freshness | None = None
    paths: Paths = Paths()
    contacts: Contacts = Contacts()
    notify: Notify | None = None
    backup: Backup = Backup()
    maintenance: Maintenance = Maintenance()
    recovery: Recovery = Recovery()
    waivers: tuple[Waiver, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Pipeline:
        for what, names in {
            "services": [s.name for s in self.services],
            "connectors": [c.name for c in self.connectors],
            "tables": [t.name for t in self.tables],
            "tables.source": [t.source for t in self.tables],
            "tables.topic": [t.topic for t in self.tables],
            "waivers": [w.step for w in self.waivers],
        }.items():
            twice = sorted({name for name in names if names.count(name) > 1 and name != PLACEHOLDER})
            if twice:
                raise PydanticCustomError(
                    "listed_twice", "{what}: {name} is listed twice", {"what": what, "name": twice[0]}
                )
        return self

    @model_validator(mode="after")
    def _canary_sits_in_a_table(self) -> Pipeline:
        canary = self.round_trip.canary
        table = next((t for t in self.tables if canary and t.name == canary.table), None)
        if canary and (table is None or set(canary.key) != set(table.key)):
            raise ValueError("round_trip.canary must name one of the tables, and have the columns of its key")
        return self

    @property
    def expected_states(self) -> dict[str, str]:
        """Connector and task (``name`` and ``name/0``) to the state it must be in."""
        return {
            subject: "RUNNING"
            for connector in self.connectors
            for subject in (connector.name, *(f"{connector.name}/{task}" for task in range(connector.tasks)))
        }

    def is_neighbour(self, connector: str) -> bool:
        """Whether a connector is another pipeline's, as `connect.other_connectors` says."""
        if connector in {known.name for known in self.connectors}:
            return False
        return any(fnmatchcase(connector, pattern) for pattern in self.connect.other_connectors)

    @property
    def sinks(self) -> tuple[Connector, ...]:
        """The sink connectors."""
        return tuple(c for c in self.connectors if c.kind == "sink")

    @property
    def table_names(self) -> tuple[str, ...]:
        """The tables' names, in the order of the file."""
        return tuple(t.name for t in self.tables)


def load(path: Path) -> Pipeline:
    """Read a pipeline file. Raises `ConfigError` naming file, line and key for anything wrong with it."""
    try:
        text = bounded.read_text(path, bounded.MOST_WRITTEN_BY_HAND_BYTES, encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            "There is no such pipeline file.",
            f"Name one with --pipeline=PATH, or one of: {', '.join(pipeline_choice.names())}; "
            "write one from a running Connect with: cdcproof init --connect-url URL",
            path,
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file cannot be read: {bounded.reason(error)}", path=path) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Pipeline:
    """Read a pipeline file's text; errors as `load`, and `path` names it in them."""
    return toml_models.parse(Pipeline, text, path, "docs/PIPELINE.md")
