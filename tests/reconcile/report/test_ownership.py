"""Whether a report is of this pipeline, and what its results count by the pipeline file of today."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdcproof.databases.contracts.identity import Identity
from cdcproof.pipeline.model import Table
from cdcproof.reconcile.report.ownership import are_of_the_same, as_declared, foreign, is_same_place
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus
from tests.pipelines import pipeline_of

SHOP, OTHER = Identity("server 1", "shop", "1", "1"), Identity("server 2", "shop", "1", "1")
LOOKED = TableResult("orders", TableStatus.MATCH, 5, 5, checksums_match=True, columns_compared=2)
UNLOOKED = replace(LOOKED, columns_compared=None, not_compared=("photo (xml (typed): not compared)",))


def _report(**more: Any) -> Report:
    when = "2026-01-02T03:04:05+00:00"
    found = Report("r", when, when, "sqlserver://h:1/warehouse_source", "postgresql://h:1/warehouse_target", "m", ())
    return replace(found, **more)


def _table(**more: Any) -> Table:
    return pipeline_of("orders").tables[0].model_copy(update=more)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, ""),
        ({"pipeline": "test"}, ""),
        ({"source": "sqlserver://H:1/warehouse_source"}, ""),
        ({"pipeline": "other"}, "of another pipeline: other"),
        (
            {"source": "sqlserver://h:2/warehouse_source"},
            "of another source: sqlserver://h:2/warehouse_source, not sqlserver://h:1/warehouse_source",
        ),
        ({"target": ""}, "of another target: none named, not postgresql://h:1/warehouse_target"),
    ],
)
def test_a_report_of_another_pipeline_source_or_target_is_foreign(found: dict[str, str], why: str) -> None:
    assert foreign(_report(**found), pipeline_of("orders")) == why


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "::1", "LocalHost"])
def test_the_loopback_of_this_machine_has_many_names(host: str) -> None:
    assert is_same_place(f"postgresql://{host}:1/shop", "postgresql://localhost:1/shop")
    assert not is_same_place(f"postgresql://{host}:1/shop", "postgresql://db:1/shop")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (SHOP, SHOP, True),
        (SHOP, replace(SHOP, history="2"), True),
        (SHOP, OTHER, False),
        (SHOP, None, True),
        (None, SHOP, True),
        (None, None, True),
    ],
)
@pytest.mark.parametrize("side", ["source_identity", "target_identity"])
def test_two_reports_are_of_the_same_databases_as_far_as_is_known(
    one: Identity | None, other: Identity | None, same: bool, side: str
) -> None:
    assert are_of_the_same(_report(**{side: one}), _report(**{side: other})) is same


@pytest.mark.parametrize(
    "declared",
    [
        {"source": "dbo.old"},
        {"target": "public.old"},
        {"source_filter": "id > 5"},
        {"target_filter": "id > 5"},
        {"rename": {"a": "b"}},
        {"written_as": {"a": "days"}},
    ],
)
def test_a_result_of_other_tables_rows_or_representations_does_not_count(declared: dict[str, Any]) -> None:
    compared = {
        "source": "dbo.orders",
        "target": "public.orders",
        **dict.fromkeys(("source_filter", "target_filter"), ""),
        "rename": {},
        "written_as": {},
    }
    known = replace(LOOKED, compared=compared)
    assert as_declared(known, _table()) == known
    assert as_declared(replace(LOOKED, compared={**compared, **declared}), _table()) is None
    assert as_declared(known, _table(**declared)) is None


@pytest.mark.parametrize(
    ("result", "declared", "status", "unseen"),
    [
        pytest.param(LOOKED, {}, "MATCH", (), id="nothing is left out"),
        pytest.param(
            replace(LOOKED, compared={"exclude": ["photo"]}), {}, "INCOMPLETE", ("photo",), id="excluded no more"
        ),
        pytest.param(
            replace(LOOKED, compared={"exclude": ["photo"]}), {"exclude": ("photo",)}, "MATCH", (), id="still excluded"
        ),
        pytest.param(
            replace(LOOKED, checksums_match=None, compared={"exclude": ["photo"]}),
            {},
            "MATCH",
            (),
            id="of counts nothing is excluded",
        ),
        pytest.param(
            replace(LOOKED, status=TableStatus.INCOMPLETE, unseen=("photo",)),
            {"exclude": ("photo",)},
            "MATCH",
            (),
            id="excluded now",
        ),
        pytest.param(
            replace(LOOKED, status=TableStatus.INCOMPLETE, unseen=("photo", "doc")),
            {"exclude": ("photo",)},
            "INCOMPLETE",
            ("doc",),
            id="one of two is excluded now",
        ),
        pytest.param(
            replace(LOOKED, status=TableStatus.INCOMPLETE), {}, "INCOMPLETE", (), id="incomplete for another reason"
        ),
        pytest.param(
            replace(LOOKED, status=TableStatus.MISMATCH, unseen=("photo",)),
            {"exclude": ("photo",)},
            "MISMATCH",
            (),
            id="a difference stays one",
        ),
        pytest.param(
            replace(LOOKED, status=TableStatus.ERROR, unseen=("photo",)), {}, "ERROR", ("photo",), id="an error stays one"
        ),
        pytest.param(replace(LOOKED, row_policies=("rls",)), {}, "INCOMPLETE", (), id="a policy may hide rows"),
        pytest.param(
            replace(LOOKED, row_policies=("rls",)), {"row_policies": ("rls", "x")}, "MATCH", (), id="it is known to hide none"
        ),
        pytest.param(
            replace(LOOKED, status=TableStatus.INCOMPLETE, row_policies=("rls",)),
            {"row_policies": ("rls",)},
            "MATCH",
            (),
            id="it is known to hide none now",
        ),
        pytest.param(UNLOOKED, {}, "INCOMPLETE", ("photo",), id="an earlier version did not look for data"),
        pytest.param(UNLOOKED, {"exclude": ("photo",)}, "MATCH", (), id="and it is excluded"),
        pytest.param(
            replace(UNLOOKED, columns_compared=2), {}, "MATCH", (), id="one that looked has named what holds data"
        ),
        pytest.param(replace(UNLOOKED, checksums_match=None), {}, "MATCH", (), id="of counts nothing is left out"),
        pytest.param(
            replace(UNLOOKED, status=TableStatus.MISMATCH, checksums_match=False), {}, "MISMATCH", (), id="it differs anyhow"
        ),
        *(
            pytest.param(replace(UNLOOKED, not_compared=(text,)), {}, "MATCH", (), id=text)
            for text in (
                *("a (excluded in the pipeline file)", "a (excluded by --exclude)", "a (only at the target)"),
                *("a (computed)", "rows that a policy hides"),
            )
        ),
    ],
)  # fmt: skip
def test_what_a_result_counts_by_the_pipeline_file_of_today(
    result: TableResult, declared: dict[str, Any], status: str, unseen: tuple[str, ...]
) -> None:
    assert as_declared(result, _table(**declared)) == replace(result, status=TableStatus(status), unseen=unseen)
