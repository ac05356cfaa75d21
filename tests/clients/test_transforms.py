from __future__ import annotations

import pytest

from cdcproof.clients.connect.transforms import Route, drops_tombstones, route

APACHE = "org.apache.kafka.connect.transforms."
ROUTER = {
    "transforms.r.type": f"{APACHE}RegexRouter",
    "transforms.r.regex": r"w\.public\.(.*)",
    "transforms.r.replacement": "hist_$1",
}
ONLY_ORDERS = {
    "predicates.p.type": f"{APACHE}predicates.TopicNameMatches",
    "predicates.p.pattern": r".*\.orders",
    "transforms.r.predicate": "p",
}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, Route("w.public.orders")),
        ({"transforms": "r", **ROUTER}, Route("hist_orders")),
        ({"transforms": "", **ROUTER}, Route("w.public.orders")),
        ({"transforms": "r", **ROUTER, "transforms.r.regex": "other"}, Route("w.public.orders")),
        ({"transforms": "r", **ROUTER, **ONLY_ORDERS}, Route("hist_orders")),
        ({"transforms": "r", **ROUTER, **ONLY_ORDERS, "transforms.r.negate": "true"}, Route("w.public.orders")),
        ({"transforms": "r", **ROUTER, **ONLY_ORDERS, "predicates.p.pattern": "x"}, Route("w.public.orders")),
        ({"transforms": "r", **ROUTER, **ONLY_ORDERS, "predicates.p.type": "com.acme.P"},
         Route("w.public.orders", (f"predicates.p (com.acme.P) decides on transforms.r ({APACHE}RegexRouter), and is not understood.",))),
        ({"transforms": "r", **ROUTER, "transforms.r.replacement": "stage_$2"},
         Route("w.public.orders", (f"transforms.r ({APACHE}RegexRouter): the replacement 'stage_$2' names a group that the "
                                   "expression does not have.",))),
        ({"transforms": "r", **ROUTER, "transforms.r.replacement": "${env:STAGE}_$1"},
         Route("w.public.orders", (f"transforms.r ({APACHE}RegexRouter): its expression holds a reference that only the worker "
                                   "can resolve.",))),
        ({"transforms": "x,r", "transforms.x.type": "com.acme.Own", **ROUTER},
         Route("hist_orders", ("transforms.x (com.acme.Own) is not understood: it may change names, columns, values or rows.",))),
        ({"transforms": "x", "transforms.x.type": f"{APACHE}TimestampRouter"},
         Route("w.public.orders", (f"transforms.x ({APACHE}TimestampRouter) is not understood: it may change names, columns, "
                                   "values or rows.",))),
        ({"transforms": "x", "transforms.x.type": "com.acme.Own", "transforms.x.predicate": "p",
          **ONLY_ORDERS, "predicates.p.pattern": "customers"}, Route("w.public.orders")),
        ({"transforms": "f", "transforms.f.type": f"{APACHE}Filter", "transforms.f.predicate": "p", **ONLY_ORDERS}, Route(None)),
        ({"transforms": "f", "transforms.f.type": f"{APACHE}Filter", "transforms.f.predicate": "p",
          "predicates.p.type": f"{APACHE}predicates.RecordIsTombstone"}, Route("w.public.orders")),
        ({"transforms": "i", "transforms.i.type": f"{APACHE}InsertField$Value"}, Route("w.public.orders")),
        ({"transforms": "gone"}, Route("w.public.orders", ("transforms.gone (of no class) is not understood: it may change "
                                                          "names, columns, values or rows.",))),
        ({"transforms": "b", "transforms.b.type": "io.debezium.transforms.ByLogicalTableRouter",
          "transforms.b.topic.regex": r"(.*)\.(ord).*", "transforms.b.topic.replacement": "$1.$2_all"}, Route("w.public.ord_all")),
    ],
)  # fmt: skip
def test_a_topic_goes_through_the_chain(config: dict[str, str], found: Route) -> None:
    assert route(config, "w.public.orders") == found


UNWRAP = {"transforms": "u", "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState"}
MODE = "transforms.u.delete.tombstone.handling.mode"
FILTER = {"transforms": "f", "transforms.f.type": f"{APACHE}Filter", "transforms.f.predicate": "p"}
TOMBSTONES = {"predicates.p.type": f"{APACHE}predicates.RecordIsTombstone"}
HANDLER = {"transforms": "h", "transforms.h.type": "io.confluent.connect.transforms.TombstoneHandler"}


@pytest.mark.parametrize(
    ("config", "dropped"),
    [
        ({}, False),
        (UNWRAP, False),
        ({**UNWRAP, MODE: "drop"}, True),
        ({**UNWRAP, MODE: "rewrite"}, True),
        ({**UNWRAP, MODE: "delete-to-tombstone"}, True),
        ({**UNWRAP, MODE: "tombstone"}, False),
        ({**UNWRAP, MODE: "rewrite-with-tombstone"}, False),
        ({**UNWRAP, "transforms.u.drop.tombstones": "true"}, False),
        ({**UNWRAP, MODE: "rewrite", "transforms.u.predicate": "p"}, False),
        ({**FILTER, **TOMBSTONES}, True),
        ({**FILTER, **TOMBSTONES, "transforms.f.negate": "true"}, False),
        ({**FILTER, "predicates.p.type": f"{APACHE}predicates.TopicNameMatches"}, False),
        (HANDLER, True),
        ({**HANDLER, "transforms.h.behavior": "drop_warn"}, True),
        ({**HANDLER, "transforms.h.behavior": "fail"}, False),
        ({**HANDLER, "transforms.h.behavior": "ignore"}, False),
        ({**HANDLER, "transforms": "own,h", "transforms.own.type": "com.acme.Own"}, False),
        ({**HANDLER, "transforms": "h,own", "transforms.own.type": "com.acme.Own"}, True),
    ],
)
def test_tombstones_are_dropped_for_certain(config: dict[str, str], dropped: bool) -> None:
    assert drops_tombstones(config) is dropped
