"""Which columns the target lacks."""

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.names import Column
from cdcproof.findings import Observation, require
from cdcproof.observations.schema.columns import ColumnSets
from tests.pipelines import pipeline_of


class TestColumnSets:
    def sets(self, source, target, **table):
        [expected] = pipeline_of("orders").tables
        columns = [
            tuple(Column(n, "int", nullable=True, computed=n == "twice") for n in names) for names in (source, target)
        ]
        return ColumnSets([expected.model_copy(update=table)], {"orders": tuple(columns)})

    @pytest.mark.parametrize(
        ("source", "target", "table"),
        [
            (["id", "Name"], ["ID", "name", "more"], {}),
            (["id", "note"], ["id"], {"exclude": ("note",)}),
            (["id", "no"], ["id", "number"], {"rename": {"no": "number"}}),
            (["id", "twice"], ["id"], {}),
        ],
    )
    def test_columns_that_are_at_the_target_or_need_not_be(self, source, target, table):
        sets = self.sets(source, target, **table)
        assert sets.found() == sets.expected()

    @pytest.mark.parametrize(
        ("source", "target", "missing"),
        [
            (["id", "note", "Note"], ["id", "note"], "Note"),
            (["id", "note", "Note"], ["id", "Note"], "note"),
            (["id", "note", "Note"], ["id", "NOTE"], "Note"),
            (["id", "note", "Note"], ["id", "note", "Note"], ""),
            (["id", "NOTE"], ["id", "note", "Note"], "NOTE"),
        ],
    )
    def test_a_column_of_the_target_stands_for_one_of_the_source(self, source, target, missing):
        """PostgreSQL's quoted names, and SQL Server's under a collation that knows case, may differ by case alone."""
        assert self.sets(source, target).found() == {
            "orders": f"not at the target: {missing}" if missing else "every column at the target"
        }

    def test_columns_that_the_target_lacks_are_named_with_the_line_that_accepts_them(self):
        sets = self.sets(["id", "note", "loyalty", "no"], ["id", "no"], exclude=("note",), rename={"no": "number"})
        assert sets.found() == {"orders": "not at the target: loyalty, no"}
        assert sets.details() == {"orders": 'exclude = ["note", "loyalty", "no"] in its [[tables]] would accept that'}

    def test_a_table_that_is_not_on_both_sides_is_not_judged_here(self):
        [orders, customers] = pipeline_of("orders", "customers").tables
        both = (Column("id", "int", nullable=False),)
        sets = ColumnSets([orders, customers], {"orders": (both, both)})
        assert sets.found() == sets.expected() == {"orders": "every column at the target"}
        assert sets.rows()[-1] == {"table": "customers", "not seen": "it is not on both sides"}
        require(sets.observation())

    def test_where_no_table_is_on_both_sides_nothing_was_compared(self):
        with pytest.raises(CouldNotLookError, match="so no columns could be compared"):
            require(ColumnSets(pipeline_of("orders").tables, {}).observation())

    def test_every_column_must_be_at_the_target(self):
        assert self.sets(["id", "note"], ["id"]).observation() == Observation(
            {"orders": "not at the target: note"},
            {"orders": "every column at the target"},
            {"orders": 'exclude = ["note"] in its [[tables]] would accept that'},
        )

    def test_nothing_to_compare_is_said_with_what_helps(self):
        assert ColumnSets(pipeline_of("orders").tables, {}).unknown() == {
            "No table of the pipeline file is on both sides, so no columns could be compared.": (
                "See morning.9-tables, which says where each table is missing and what adds it."
            )
        }

    def test_a_table_that_lacks_a_column_is_judged_beside_one_that_was_not_seen(self):
        customers, orders, items = pipeline_of("customers", "orders", "items").tables
        one, two = Column("id", "int", nullable=False), Column("note", "text", nullable=True)
        sets = ColumnSets([customers, orders, items], {"orders": ((one, two), (one,)), "items": ((one,), (one, two))})

        assert sets.missing() == {"orders": (two,), "items": ()}
        assert sets.found() == {"orders": "not at the target: note", "items": "every column at the target"}
        assert sets.rows() == [
            {"table": "orders", "columns at the source": 2, "at the target": 1},
            {"table": "items", "columns at the source": 1, "at the target": 2},
            {"table": "customers", "not seen": "it is not on both sides"},
        ]
