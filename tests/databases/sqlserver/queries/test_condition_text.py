"""What of a condition in T-SQL is nondeterministic, by Microsoft's list."""

from __future__ import annotations

import pytest

from cdcproof.databases.sqlserver.queries.condition_text import names, read, read_view


@pytest.mark.parametrize(
    "condition",
    [
        "region = N'EU'",
        "YEAR(at) = 2024 AND UPPER(region) = 'EU' AND ISNULL(amount, 0) > 0 AND at >= '20240101'",
        "DATEADD(day, -7, at) > DATEFROMPARTS(2024, 1, 1) AND CONVERT(date, at, 126) < CAST('2027-01-01' AS date)",
        "[GETDATE] = 1 AND t.[USER] = 'x' AND t.user_name = 'y' AND \"CURRENT_USER\" = 1",
        "word = 'it''s GETDATE()' AND word <> 'SELECT' -- GETDATE()",
        "/* SELECT /* NEWID() */ GETDATE() */ id > 5",
        "RAND(id) > 0.5",
        "id IN (1, 2) AND [odd]]GETDATE()] = 1",
    ],
)
def test_what_depends_on_the_row_alone_is_steady(condition: str) -> None:
    assert read(condition) == ((), ())


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("at > GETDATE()", "GETDATE() goes with the clock"),
        ("at > DATEADD(day, -7, SysUtcDateTime ( ))", "SYSUTCDATETIME() goes with the clock"),
        ("at > SYSDATETIMEOFFSET()", "SYSDATETIMEOFFSET() goes with the clock"),
        ("at > current_timestamp", "CURRENT_TIMESTAMP goes with the clock"),
        ("'/*' <> '' AND at > GETDATE() -- */", "GETDATE() goes with the clock"),
        ("RAND() < 0.5", "RAND() is drawn by lot at each look"),
        ("NEWID() > uid", "NEWID() is drawn by lot at each look"),
        ("CHECKSUM(NEWID()) % 2 = 0", "NEWID() is drawn by lot at each look"),
        ("CRYPT_GEN_RANDOM(1) > 0x7F", "CRYPT_GEN_RANDOM() is drawn by lot at each look"),
        ("owner = USER", "USER depends on the session"),
        ("owner = SUSER_SNAME()", "SUSER_SNAME() depends on the session"),
        ("tenant = SESSION_CONTEXT(N'tenant')", "SESSION_CONTEXT() depends on the session"),
        ("IS_MEMBER('db_owner') = 1", "IS_MEMBER() depends on the session"),
        ("@@SPID = id", "@@SPID is no value of the row"),
        ("%%physloc%% > 0x00", "%%PHYSLOC%% is no value of the row"),
        ("version < MIN_ACTIVE_ROWVERSION()", "MIN_ACTIVE_ROWVERSION() asks for something else than the row"),
        ("NEXT VALUE FOR dbo.numbers > 5", "NEXT VALUE FOR takes another number at each look"),
        ("id IN (SELECT id FROM dbo.active)", "SELECT begins a subquery"),
        ("id IN (SELECT(id) FROM dbo.active)", "SELECT begins a subquery"),
        ("CONTAINS(word, 'x')", "CONTAINS() goes by the full-text index"),
    ],
)
def test_what_may_answer_otherwise_is_named(condition: str, part: str) -> None:
    found = read(condition).unsteady
    assert [str(one)[: len(part)] for one in found] == [part]
    assert found[0].instead


def test_functions_with_a_schema_are_the_servers_to_judge() -> None:
    condition = (
        "dbo.f(id) = 1 AND [odd]]s].[g h] (id) = 1 AND doc.value('(/a)[1]', 'int') = 1 AND other.dbo.f(1) = dbo.f(2)"
    )
    assert read(condition).functions == (("dbo", "f"), ("odd]s", "g h"), ("doc", "value"), ("other", "dbo", "f"))


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE VIEW dbo.v (id, word) WITH SCHEMABINDING AS SELECT id, word FROM dbo.t WHERE id IN (SELECT id FROM dbo.u)",
        "CREATE VIEW [as] AS SELECT TOP (100) PERCENT id FROM dbo.t ORDER BY id -- TOP 5",
        "CREATE VIEW v AS SELECT TOP 100 PERCENT t.[top], t.offset FROM t",
        "CREATE OR ALTER VIEW v AS WITH c AS (SELECT id FROM t) SELECT id, 'GETDATE()' AS word FROM c",
    ],
)
def test_a_view_that_goes_by_its_rows_alone_is_steady(definition: str) -> None:
    assert read_view(definition) == ((), ())


@pytest.mark.parametrize(
    ("definition", "part"),
    [
        ("CREATE VIEW v AS SELECT id FROM t WHERE at > GETDATE()", "GETDATE() goes with the clock"),
        ("CREATE VIEW v AS SELECT id FROM t ORDER BY NEWID() OFFSET 5 ROWS", "NEWID() is drawn by lot"),
        ("CREATE VIEW v AS SELECT TOP (10) id FROM t ORDER BY word", "TOP shows some rows of many"),
        ("CREATE VIEW v AS SELECT TOP (10) PERCENT id FROM t", "TOP shows some rows of many"),
        ("CREATE VIEW v AS SELECT id FROM t ORDER BY word OFFSET 5 ROWS", "OFFSET shows some rows of many"),
        ("CREATE VIEW v AS SELECT id FROM t TABLESAMPLE (10 PERCENT)", "TABLESAMPLE reads other rows"),
        ("CREATE VIEW v AS SELECT id FROM t WHERE tenant = SESSION_CONTEXT(N'tenant')", "SESSION_CONTEXT() depends"),
    ],
)
def test_a_view_that_may_show_other_rows_is_named(definition: str, part: str) -> None:
    found = read_view(definition).unsteady
    assert part in [str(one)[: len(part)] for one in found]


def test_functions_of_a_view_are_the_servers_to_judge_but_not_the_list_of_its_columns() -> None:
    found = read_view("CREATE VIEW dbo.v (id) AS SELECT id FROM dbo.t CROSS APPLY dbo.f(t.id) WHERE dbo.g(id) = 1")
    assert found.functions == (("dbo", "f"), ("dbo", "g"))


def test_names_are_those_outside_of_comments_and_texts() -> None:
    assert {"dbo", "of b", "t"} <= names("SELECT * FROM [dbo].[Of B] JOIN t -- hidden")
    assert "hidden" not in names("SELECT 'hidden' /* hidden */ -- hidden")
