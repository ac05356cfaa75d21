"""Which tables are at the source, in Kafka and at the target."""

from dataclasses import replace

import pytest

from cdcproof.databases.names import TableName
from cdcproof.findings import Finding, Observation, require_equal
from cdcproof.observations.schema.tables import TableSets
from cdcproof.pipeline.model import Freshness
from tests.pipelines import pipeline_of


class TestTableSets:
    @pytest.fixture
    def sets(self):
        pipeline = pipeline_of("customers", "orders")

        def make(
            captured=("dbo.customers", "dbo.orders"),
            topics=("t.customers", "t.orders"),
            target=("public.customers", "public.orders"),
        ):
            return TableSets(
                pipeline, {TableName.parse(t) for t in captured}, topics, {TableName.parse(t) for t in target}
            )

        return make

    def test_the_same_everywhere(self, sets):
        assert sets().found() == sets().expected()
        assert sets().missing() == ()

    @pytest.mark.parametrize(
        ("place", "kwargs"),
        [
            ("orders: captured at the source", {"captured": ("dbo.customers",)}),
            ("orders: topic", {"topics": ("t.customers",)}),
            ("orders: target table", {"target": ("public.customers",)}),
        ],
    )
    def test_missing_at_one_place(self, sets, place, kwargs):
        found = sets(**kwargs)

        assert {k for k, v in found.found().items() if v != "present"} == {place}
        assert found.missing() == ("orders",)

    def test_a_table_that_a_crash_empties_is_a_concern_and_no_other(self, sets):
        part = TableName("parts", "orders_2026")
        found = replace(sets(), unlogged={"orders": (part,)})

        assert found.observation().concerns == {
            "orders: target table": "parts.orders_2026 UNLOGGED, which a crash of the server empties"
        }
        assert found.found() == found.expected()
        assert sets().observation().concerns == {}

    def test_captured_but_not_expected(self, sets):
        found = sets(captured=("dbo.customers", "dbo.orders", "dbo.secrets"))

        with pytest.raises(
            Finding, match=r"dbo\.secrets: captured at the source: expected not expected, found present"
        ):
            require_equal(found.found(), found.expected())

    def test_what_is_given_up_does_not_count_and_what_the_connector_passes_over_is_only_shown(self, sets):
        found = sets(captured=("dbo.customers", "dbo.orders", "dbo.old_prices", "dbo.orders_old"))
        source = found.pipeline.source.model_copy(update={"other_tables": ("dbo.old_*", "*.orders*")})
        accepting = replace(found, pipeline=found.pipeline.model_copy(update={"source": source}))
        assert accepting.found() == accepting.expected()
        assert [row["table"] for row in accepting.rows()] == ["customers", "orders", "dbo.old_prices", "dbo.orders_old"]
        # no pattern accepts that an expected table is missing
        assert replace(accepting, captured=set()).missing() == ("customers", "orders")

        beat = Freshness(source="dbo.cdcproof_heartbeat", target="public.cdcproof_heartbeat")
        beating = sets(captured=("dbo.customers", "dbo.orders", beat.source))
        assert beating.found() != beating.expected()
        known = replace(beating, pipeline=beating.pipeline.model_copy(update={"freshness": beat}))
        assert known.found() == known.expected()

        passed = replace(sets(), passed_over={TableName("dbo", "other")})
        assert passed.found() == passed.expected()
        assert passed.rows()[-1] == {"table": "dbo.other", "captured at the source": "passed over by the connector"}

    def test_more_tables_at_the_target_are_its_own_affair(self, sets):
        assert sets(target=("public.customers", "public.orders", "public.reports")).missing() == ()

    def test_every_table_must_be_at_every_place_and_no_other_captured(self, sets):
        found = sets(captured=("dbo.customers", "dbo.spare", "dbo.old"), topics=("t.orders",), target=())
        places = ("captured at the source", "topic", "target table")

        assert found.observation() == Observation(
            {
                "customers: captured at the source": "present",
                "customers: topic": "absent",
                "customers: target table": "absent",
                "orders: captured at the source": "absent",
                "orders: topic": "present",
                "orders: target table": "absent",
                "dbo.old: captured at the source": "present",
                "dbo.spare: captured at the source": "present",
            },
            {f"{table}: {place}": "present" for table in ("customers", "orders") for place in places},
            no_concern="logged",
        )

    def test_the_report_has_a_row_for_each_table_and_each_that_does_not_count(self, sets):
        found = sets(captured=("dbo.customers", "dbo.beat", "dbo.spare"), topics=("t.orders",))
        source = found.pipeline.source.model_copy(update={"other_tables": ("dbo.customers", "dbo.sp*")})
        beat = Freshness(source="dbo.beat", target="public.beat")
        pipeline = found.pipeline.model_copy(update={"source": source, "freshness": beat})
        accepted = "yes, as source.other_tables or [freshness] says"

        assert replace(found, pipeline=pipeline, passed_over=(TableName("dbo", "hidden"),)).rows() == [
            {"table": "customers", "captured at the source": "yes", "topic": "NO", "target table": "yes"},
            {"table": "orders", "captured at the source": "NO", "topic": "yes", "target table": "yes"},
            {"table": "dbo.beat", "captured at the source": accepted},
            {"table": "dbo.hidden", "captured at the source": "passed over by the connector"},
            {"table": "dbo.spare", "captured at the source": accepted},
        ]
