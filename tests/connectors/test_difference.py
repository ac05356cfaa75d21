from __future__ import annotations

from cdcproof.connectors.deployment.difference import KeyChange, differences, lines


def test_only_keys_that_differ_are_told_sorted_and_without_the_name() -> None:
    running = {"name": "c", "b": "1", "a": "1", "gone": "x"}
    assert differences(running, {"a": "2", "b": "1", "new": "y"}) == (
        KeyChange("a", "1", "2"),
        KeyChange("gone", "x", "absent"),
        KeyChange("new", "absent", "y"),
    )
    assert differences({"name": "c", "a": "1"}, {"a": "1"}) == ()


def test_a_connector_that_is_not_there_differs_in_every_key() -> None:
    assert differences(None, {"b": "1", "a": ""}) == (KeyChange("a", "absent", ""), KeyChange("b", "absent", "1"))


def test_a_secret_that_changes_is_a_difference_and_neither_value_is_told() -> None:
    [change] = differences({"db.password": "difference-old"}, {"db.password": "difference-new"})
    assert change == KeyChange("db.password", "[redacted]", "[redacted]")
    assert lines((change,)) == ["- db.password = [redacted]", "+ db.password = [redacted] (another one)"]
    assert differences({"db.password": "difference-same"}, {"db.password": "difference-same"}) == ()


def test_a_reference_is_readable_and_a_password_in_an_address_is_not() -> None:
    changes = differences({"db.password": "${file:/s:k}"}, {"db.password": "x", "url": "j:p://h?password=in-url-1&a=b"})
    assert lines(changes) == [
        "- db.password = ${file:/s:k}",
        "+ db.password = [redacted]",
        "+ url = j:p://h?password=[redacted]&a=b",
    ]
