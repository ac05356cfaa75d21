from __future__ import annotations

import pytest

from cdcproof.clients.connect.java_expressions import UnreadableError, filled, match


@pytest.mark.parametrize(
    ("expression", "text", "is_match"),
    [
        (r"w\.dbo\.(?<table>.*)", "w.dbo.orders", True),
        (r"(?<a>x)\k<a>", "xx", True),
        (r"(?<=w)x|wx", "wx", True),
        (r"w\.\p{Alpha}+", "w.orders", True),
        (r"w\.\p{Alpha}+", "w.orders2", False),
        (r"w\.[\p{Alnum}_]+", "w.orders_2", True),
        (r"w\.\P{Digit}+", "w.orders2", False),
        (r"\Qw.dbo.\E.*", "w.dbo.orders", True),
        (r"\Qw.dbo.\E.*", "wxdbo.orders", False),
        (r"w\.\w++", "w.orders", True),
        (r"\w+", "ä", False),  # Java's classes are of ASCII
        (r"[^.]+\z", "orders", True),
        (r"[&]+", "&", True),
        (r"[(?<a>]+", "?<a", True),
    ],
)
def test_what_java_writes_in_its_own_way_is_read(expression: str, text: str, is_match: bool) -> None:
    assert (match(expression, text) is not None) is is_match


@pytest.mark.parametrize(
    "expression", [r"[a-z&&[^b]]+", r"[a[b]]", r"\p{IsGreek}", r"[\P{Alpha}]", "(", r"a(?i)b", r"\G"]
)
def test_what_is_not_read_is_said_with_the_expression(expression: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        match(expression, "a")
    assert repr(expression) in str(raised.value)


@pytest.mark.parametrize(
    ("expression", "replacement", "name"),
    [
        (r"w\.(.*)", "$1", "orders"),
        (r"w\.(?<table>.*)", "${table}", "orders"),
        (r"w\.(.*)", "$12", "orders2"),  # no twelfth group: the first, and a 2
        (r"w\.(.*)", r"all\$_$1", "all$_orders"),
        (r"w\.(.*)|(x)", "$1$2", "orders"),  # a group without a match is empty
        (r"w\.(.*)", r"\d$1", "dorders"),
        (r".*", "$0_all", "w.orders_all"),
    ],
)
def test_a_replacement_is_javas(expression: str, replacement: str, name: str) -> None:
    found = match(expression, "w.orders")
    assert found
    assert filled(found, replacement) == name


@pytest.mark.parametrize("replacement", ["$2", "${table}", "x$", "x\\"])
def test_a_replacement_that_java_refuses_is_said(replacement: str) -> None:
    found = match(r"w\.(.*)", "w.orders")
    assert found
    with pytest.raises(UnreadableError):
        filled(found, replacement)
