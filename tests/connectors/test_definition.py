from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.connectors.deployment.definition import place, read, read_all
from cdcproof.core.errors import ConfigError, UsageError
from cdcproof.core.secrets import scrub

CONFIG = {"connector.class": "a.B", "tasks.max": "1"}


def written(folder: Path, data: Any, name: str = "c.json") -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data, indent=1))
    return path


def test_both_forms_of_a_file_are_the_same_connector(tmp_path: Path) -> None:
    nested = read(written(tmp_path, {"name": "c", "config": {**CONFIG, "name": "c"}}))
    flat = read(written(tmp_path, {"name": "c", **CONFIG}))
    assert (nested.name, nested.config) == (flat.name, flat.config) == ("c", CONFIG)
    assert read(written(tmp_path, CONFIG), "c").name == "c"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"name": "c", "config": CONFIG}), encoding="utf-8-sig")
    assert read(path).name == "c"


def test_the_initial_state_is_kept(tmp_path: Path) -> None:
    assert (
        read(written(tmp_path, {"name": "c", "initial_state": "STOPPED", "config": CONFIG})).initial_state == "STOPPED"
    )
    assert read(written(tmp_path, {"name": "c", "config": CONFIG})).initial_state == ""


def test_values_are_text_as_connect_keeps_them(tmp_path: Path) -> None:
    path = written(tmp_path, {"name": "c", "config": {**CONFIG, "tasks.max": 2, "delete.enabled": True, "x": 0.5}})
    assert read(path).config == {"connector.class": "a.B", "tasks.max": "2", "delete.enabled": "true", "x": "0.5"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{\n  'name': 1}", r"c\.json:2: Not valid JSON"),
        ("[]", "must hold a JSON object"),
        ({"config": CONFIG}, "name: the connector's name is required"),
        ({"name": "c"}, "config: an object"),
        ({"name": "c", "config": []}, "config: an object"),
        (
            {"name": "c", "config": CONFIG, "initial_state": "ASLEEP"},
            "initial_state: must be one of RUNNING, PAUSED, STOPPED",
        ),
        ({"name": "c", "config": {}}, r"config\.connector\.class: this key is required"),
        ({"name": "c", "config": CONFIG, "tasks.max": "1"}, r"tasks\.max: this key is not known"),
        ({"name": "c", "config": {**CONFIG, "name": "d"}}, "name: must be one text"),
        ('{"name": "c", "config": {\n"connector.class": "a",\n"x": "1",\n"x": "2"}}', r"c\.json:4: x: .* twice"),
        ('{"name": "c", "config": {\n"connector.class": "a",\n"x": null}}', r"c\.json:3: config\.x: .*not null"),
        ({"name": "c", "config": {**CONFIG, "x": ["a"]}}, "not a list"),
        ({"name": "c", "config": {**CONFIG, "x": {}}}, "not an object"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(tmp_path: Path, data: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        read(written(tmp_path, data))
    assert raised.value.exit_status == 2
    assert "c.json" in str(raised.value)


def test_a_missing_file_and_a_file_of_another_connector_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.json: There is no such file"):
        read(tmp_path / "gone.json")
    with pytest.raises(ConfigError, match="the file is of c, not of d"):
        read(written(tmp_path, {"name": "c", **CONFIG}), "d")


def test_names_in_capitals_are_filled_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "db.example")
    monkeypatch.setenv("topic", "never")
    left = {"a": "${topic}", "b": "${source.table}", "c": "${file:/s:k}", "d": "${env:DB_HOST}", "e": "$1"}
    path = written(tmp_path, {"name": "c", "config": {**CONFIG, **left, "url": "jdbc:x://${DB_HOST}:${DB_HOST}/"}})
    assert read(path).config == {**CONFIG, **left, "url": "jdbc:x://db.example:db.example/"}


def test_a_variable_that_is_not_set_names_file_line_and_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_1", raising=False)
    path = written(tmp_path, '{"name": "c", "config": {"connector.class": "a",\n"db.password": "${NOT_SET_1}"}}')
    with pytest.raises(ConfigError, match=r"c\.json:2: config\.db\.password: .* NOT_SET_1 is not set") as raised:
        read(path)
    assert raised.value.remedy == "export NOT_SET_1=…"


def test_an_empty_variable_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY_1", "")
    assert read(written(tmp_path, {"name": "c", **CONFIG, "prefix": "${EMPTY_1}"})).config["prefix"] == ""


def test_a_password_that_would_not_be_filled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only names in capitals"):
        read(written(tmp_path, {"name": "c", **CONFIG, "db.password": "${db_password}"}))


def test_a_filled_password_is_never_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_PASSWORD_1", "filled-secret-1")
    monkeypatch.setenv("PLAIN_1", "filled-secret-2")
    config = {**CONFIG, "url": "x?a=${SOURCE_PASSWORD_1}", "db.password": "${PLAIN_1}"}
    definition = read(written(tmp_path, {"name": "c", "config": config}))
    assert definition.config["db.password"] == "filled-secret-2"
    assert definition.warnings == ()
    assert "filled-secret" not in repr(definition)
    assert scrub("filled-secret-1 filled-secret-2") == "[redacted] [redacted]"


def test_a_literal_password_is_a_warning_and_is_not_printed(tmp_path: Path) -> None:
    config = {**CONFIG, "db.password": "literal-secret-1", "url": "jdbc:x://h/?user=u&password=literal-secret-2&y=1"}
    definition = read(written(tmp_path, {"name": "c", "config": config}))
    assert definition.literal_secrets == ("db.password", "url")
    assert all(key in warning for key, warning in zip(definition.literal_secrets, definition.warnings, strict=True))
    assert scrub("literal-secret-1 literal-secret-2") == "[redacted] [redacted]"


def test_a_reference_within_a_secret_setting_is_no_literal_and_a_password_there_is_one(tmp_path: Path) -> None:
    jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="{}";'
    referred = {"sasl.jaas.config": jaas.format("${file:/s:k}")}
    assert read(written(tmp_path, {"name": "c", **CONFIG, **referred})).warnings == ()
    literal = {"sasl.jaas.config": jaas.format("literal-secret-3")}
    assert read(written(tmp_path, {"name": "c", **CONFIG, **literal})).literal_secrets == ("sasl.jaas.config",)
    assert "literal-secret-3" not in scrub("said literal-secret-3")


def test_what_get_redacted_is_taken_from_what_runs(tmp_path: Path) -> None:
    running = {"db.password": "runs-secret-1", "url": "jdbc:x://h/?password=runs-secret-2&y=1", "x": "1"}
    config = {**CONFIG, "db.password": "[redacted]", "url": "jdbc:x://h/?password=[redacted]&y=1", "x": "2"}
    definition = read(written(tmp_path, {"name": "c", "config": config}))
    assert definition.warnings == ()
    assert definition.with_kept_secrets(running).config == {**running, **CONFIG, "x": "2"}
    with pytest.raises(ConfigError, match=r"db\.password: \[redacted\] stands for the value that runs now"):
        definition.with_kept_secrets(None)
    with pytest.raises(ConfigError, match="url"):
        definition.with_kept_secrets({**running, "url": "jdbc:x://other/?password=runs-secret-2&y=1"})


def test_a_directory_is_read_by_name_of_file(tmp_path: Path) -> None:
    written(tmp_path, {"name": "z", **CONFIG}, "1.json")
    written(tmp_path, {"name": "a", **CONFIG}, "2.json")
    written(tmp_path, "not a connector", "readme.md")
    assert [d.name for d in read_all(tmp_path)] == ["z", "a"]
    assert [d.name for d in read_all(tmp_path / "2.json")] == ["a"]


def test_a_directory_that_may_not_be_listed_is_not_one_without_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match=r"The directory cannot be read: Permission denied\."):
        read_all(tmp_path)


def test_a_directory_without_files_or_with_two_of_one_connector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \*\.json"):
        read_all(tmp_path)
    written(tmp_path, {"name": "a", **CONFIG}, "1.json")
    written(tmp_path, {"name": "a", **CONFIG}, "2.json")
    with pytest.raises(ConfigError, match=r"2\.json: name: a is defined in 1\.json as well"):
        read_all(tmp_path)


def test_the_place_is_what_was_asked_for_else_what_the_pipeline_file_says() -> None:
    assert place(Path("a"), Path("b")) == Path("a")
    assert place(None, Path("b")) == Path("b")
    with pytest.raises(UsageError, match="Which connectors") as raised:
        place(None, None)
    assert "[paths]" in raised.value.remedy
