"""docs/ACCOUNTS.md, made of the roles and of the statements that the rights checks offer. `make generate` writes it; a test compares."""

from __future__ import annotations

import textwrap

from cdcproof.databases.accounts.roles import ROLES, Role
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries import rights as postgresql
from cdcproof.databases.sqlserver.queries import rights as sqlserver
from cdcproof.pipeline.engines import Engine

DATABASES = {"source": "warehouse_source", "target": "warehouse_target"}
NAMES: dict[Engine, str] = {"postgresql": "PostgreSQL", "sqlserver": "SQL Server"}
_SCHEMAS: dict[Engine, str] = {"postgresql": "public", "sqlserver": "dbo"}
_OPERATIONS = (
    ("checks, exporter, reconciliation", "cdcproof", "Describe", "--cluster", "brokers, groups, sizes of topics"),
    ("checks, exporter, reconciliation", "cdcproof", "DescribeConfigs", "--cluster", "settings of brokers"),
    ("checks, exporter, reconciliation", "cdcproof", "Describe", "--topic '*'", "topics, their partitions and ends"),
    ("checks, exporter, reconciliation", "cdcproof", "DescribeConfigs", "--topic '*'", "retention and clean-up of topics"),
    ("checks, exporter, reconciliation", "cdcproof", "Read", "--topic '*'", "ages of records, dead letters, Connect's offsets"),
    ("checks, exporter, reconciliation", "cdcproof", "Describe", "--group '*'", "committed offsets of the sinks"),
    ("backup", "cdcproof", "Read", "--topic schema-history", "the schema history's topic"),
    ("clearing dead letters, schema history restored", "operator", "Delete", "--topic dlq", "`cdcproof connectors dlq --clear` deletes records"),
    ("clearing dead letters, schema history restored", "operator", "Write", "--topic schema-history", "`cdcproof restore` writes the schema history"),
)  # fmt: skip
_HEAD = """\
# Accounts

One account for each role, with just these rights. `make generate` writes this page from `src/cdcproof/databases/accounts/roles.py` and from the statements
that the rights checks offer, so page and checks cannot differ. Names are those of the example pipeline: put yours in. Each statement is run by an
administrator, in the database that its section names; a statement on one table is run for each table of the pipeline file.

A test reads PostgreSQL's statements from this page, gives each role just those, and runs a morning and a reconciliation by them; it takes each one away again, and asks for its name.
What is missing is named, with its statement, by [morning.6-source-rights](RUNBOOK.md#morning-6-source-rights), [morning.6-target-rights](RUNBOOK.md#morning-6-target-rights),
[connectors.4-permissions-sufficient](RUNBOOK.md#connectors-4-permissions-sufficient) and `cdcproof check-config`. What is too much is named by
[monthly.1-accounts](RUNBOOK.md#monthly-1-accounts) and [connectors.5-permissions-excessive](RUNBOOK.md#connectors-5-permissions-excessive), with the statement that takes it away.

PostgreSQL: every account is `CREATE ROLE … LOGIN PASSWORD …`, without SUPERUSER, CREATEROLE, CREATEDB and BYPASSRLS. An account that reads a table with row
security needs BYPASSRLS: `ALTER ROLE … BYPASSRLS`. Instead of SELECT on each table the readers may have `pg_read_all_data`.
SQL Server: every account is a login of its own and a user of the database. Its user may not be called `cdc`: that is the schema of the change tables.
Masked columns want `GRANT UNMASK`. `GRANT VIEW DEFINITION ON LOGIN::cdc` shows the readers whether the connector's password expires.
"""
_TAIL = """
## Restore

`cdcproof restore` makes a database anew, with its owner, its rights and its settings, and renames it into its place. That is an administrator's work: a superuser
of PostgreSQL; of SQL Server a `sysadmin`, since the owner and CDC's jobs are set too. Name the account in `[backup.source]` or `[backup.target]` for the time of a
restore, and no longer: monthly.1-accounts judges it as an account that backs up.

## Kafka

Shown as commands of Kafka's own tool. A cluster without an authorizer has no such lists. No check compares this section and the two below with what is granted, and no test has run by
these rights alone. A right that is missing is named when it is first refused, one that is too much by nobody.

{acls}

## Kafka Connect

Connect's REST interface knows no rights: its user (`connect.user`) may do whatever Connect can. Where Connect is behind a proxy, let the readers' user `GET`, and `PUT`
`/connector-plugins/*/config/validate`. `cdcproof connectors` and what `--allow-acts` allows need `POST`, `PUT`, `PATCH` and `DELETE` below `/connectors`.

## Object storage

`cdcproof backup` lists, gets, puts and deletes in its bucket: `s3:ListBucket` on the bucket, `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject` and `s3:AbortMultipartUpload` on its objects.
"""


def page() -> str:
    """The whole page."""
    sections = "\n".join(_section(role) for role in ROLES)
    return f"{_HEAD}\n{sections}{_TAIL.format(acls=_acls())}"


def example(role: Role, engine: Engine) -> dict[str, str]:
    """The statements that grant a role what it needs, by the right, as the page shows them."""
    schema = _SCHEMAS[engine]
    needs = role.needs((TableName(schema, "orders"),), (TableName(schema, "cdcproof_heartbeat"),))
    if engine == "postgresql":
        return postgresql.grants(DATABASES[role.side], role.account, needs)
    return sqlserver.grants(role.account, role.account if role.account != "cdc" else "cdc_connector", needs)


def _section(role: Role) -> str:
    text = [f"## {role.title}\n", f"Named by {role.named_by}. {role.why} Too much is named by {role.judged}.\n"]
    for engine in role.engines:
        statements = "\n".join(example(role, engine).values())
        text.append(f"{NAMES[engine]}, in `{DATABASES[role.side]}`:\n\n```sql\n{statements}\n```\n")
    return "\n".join(text)


def _acls() -> str:
    found = []
    for title in dict.fromkeys(title for title, *_ in _OPERATIONS):
        lines = [
            f"kafka-acls --bootstrap-server kafka:9092 --add --allow-principal User:{user} --operation {operation} {where}   # {why}"
            for of, user, operation, where, why in _OPERATIONS
            if of == title
        ]
        found.append(f"{title[:1].upper()}{title[1:]}:\n\n```\n" + "\n".join(lines) + "\n```")
    connect = textwrap.dedent("""\
        The worker's principal (User:connect) reads and writes its three internal topics, and is in its group: Read and Write on `connect-configs`,
        `connect-offsets`, `connect-status`, Read on the group of `group.id`. The source's producer needs Write, and Create where Connect makes topics, on the tables' topics and the
        schema history's; a sink's consumer Read on its topics and on the group `connect-<connector>`, and Write on its dead letter topic.""")
    return "\n\n".join([*found, connect])
