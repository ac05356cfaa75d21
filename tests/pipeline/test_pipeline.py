from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof import shipped
from cdcproof.core.errors import ConfigError
from cdcproof.pipeline.choice import resolve
from cdcproof.pipeline.model import Kafka, load
from tests.plugin_project import PIPELINE

GOOD = PIPELINE.format(extra="", tables="")


def _load(tmp_path: Path, text: str):
    path = tmp_path / "p.toml"
    path.write_text(text)
    return load(path)


def _error(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    return caught.value.message.removeprefix(f"{tmp_path / 'p.toml'}:")


def _line(text: str, part: str) -> int:
    return max(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_good_file(tmp_path: Path) -> None:
    pipeline = _load(tmp_path, GOOD)

    assert pipeline.expected_states == {"source": "RUNNING", "source/0": "RUNNING"}
    assert not pipeline.is_neighbour("erp-source")
    assert pipeline.table_names == ("customers",)
    assert pipeline.connect.url == "http://127.0.0.1:8083"
    assert pipeline.sinks == ()


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD, encoding="utf-8-sig")
    assert load(tmp_path / "p.toml").table_names == ("customers",)


@pytest.mark.parametrize(
    ("old", "new", "reported", "at"),
    [
        ("port = 5433", "port = 99999", "target.port: must be less than or equal to 65535", "port = 99999"),
        (
            'user = "u"\npassword_env = "T',
            'usr = "u"\npassword_env = "T',
            "target.user: this key is required",
            "[target]",
        ),
        ('kind = "source"', 'kind = "sorce"', "connectors.0.kind: must be 'source' or 'sink'", "sorce"),
        ('kind = "source"', 'kind = "source"\ntask = 2', "connectors.0.task: this key is not known", "task = 2"),
        ('connect.url = "http:', 'connect.url = "ftp:', "connect.url: must start with http://", "connect.url"),
        ('connect.url = "http://', 'connect.url = "http://me:pw@', "connect.url: must hold no user", "connect.url"),
        ('connect.url = "http://', 'connect.url = "http://[', "connect.url: ", "connect.url"),
        ('connect.url = "http://127.0.0.1:8083', 'connect.url = "http://c:99999', "connect.url: ", "connect.url"),
        (
            'connect.url = "http://127.0.0.1:8083',
            'connect.url = "http://:8083',
            "connect.url: must name",
            "connect.url",
        ),
        ('key = ["id"]', 'key = ["id", "id"]', "tables.0.key: id is listed twice", "key = "),
        ('key = ["id"]', 'key = ["id"]\nexclude = ["id"]', "tables.0: id is in key and in exclude", "[[tables]]"),
        (
            'key = ["id"]',
            'key = ["id"]\nrename = { a = "c", b = "c" }',
            "tables.0.rename: two columns cannot both be c at the target",
            "rename",
        ),
        ('key = ["id"]', 'key = ["id"]\nsource_filter = ""', "tables.0.source_filter: ", "source_filter"),
        ('source = "public.c', 'source = "c', "tables.0.source: must be schema.table", 'source = "customers"'),
        ('kind = "source"', 'kind = "source"\ngroup = "g"', "connectors.0: group is for a sink", "[[connectors]]"),
        ('role = "connect"', 'role = "connect"\nendpoint = "x"', "services.0.endpoint: must be http://", "endpoint"),
        ('name = "example"', 'name = "a b"', "name: must match pattern", 'name = "a b"'),
        ('name = "example"', "name = example", "Not valid TOML", "name = example"),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_line(
    tmp_path: Path, old: str, new: str, reported: str, at: str
) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD

    message = _error(tmp_path, text)

    assert message.startswith(f"{_line(text, at)}: {reported}")


def test_a_table_says_what_of_it_is_compared(tmp_path: Path) -> None:
    text = GOOD.replace(
        'key = ["id"]',
        'key = []\nexclude = ["photo"]\nrename = { no = "number" }\nsource_filter = "region = \'EU\'"\nupdate_column = "at"',
    )
    (table,) = _load(tmp_path, text).tables
    assert (table.key, table.exclude, table.rename) == ((), ("photo",), {"no": "number"})
    assert (table.source_filter, table.target_filter, table.update_column) == ("region = 'EU'", None, "at")


@pytest.mark.parametrize(
    ("table", "reported"),
    [
        ('[[services]]\nname = "kafka-connect"\nrole = "kafka"', "services: kafka-connect is listed twice"),
        ('[[connectors]]\nname = "source"\nkind = "sink"', "connectors: source is listed twice"),
    ],
)
def test_what_is_listed_twice_is_named_at_its_second_place(tmp_path: Path, table: str, reported: str) -> None:
    text = f"{GOOD}\n{table}\n"

    message = _error(tmp_path, text)

    assert message == f"{_line(text, table.splitlines()[1])}: {reported}"


@pytest.mark.parametrize("same", ["name", "source", "topic"])
def test_a_table_is_listed_once(tmp_path: Path, same: str) -> None:
    second = {"name": "other", "source": "public.other", "topic": "x.other"}
    second[same] = {"name": "customers", "source": "public.customers", "topic": "x.customers"}[same]
    rows = "\n".join(f'{key} = "{value}"' for key, value in second.items())

    assert "is listed twice" in _error(tmp_path, f'{GOOD}\n[[tables]]\n{rows}\ntarget = "public.other"\nkey = ["id"]\n')


@pytest.mark.parametrize("missing", ["services", "connectors", "tables"])
def test_a_pipeline_of_nothing_is_refused(tmp_path: Path, missing: str) -> None:
    text = f"{missing} = []\n" + GOOD.replace(f"[[{missing}]]", "[unknown]")

    assert f"{missing}: must have at least 1 item, not 0" in _error(tmp_path, text)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0"])
def test_a_limit_that_limits_nothing_is_refused(tmp_path: Path, value: str) -> None:
    text = f"{GOOD}\n[thresholds]\nlag_seconds = {value}\n"

    assert _error(tmp_path, text).startswith(f"{_line(text, 'lag_seconds')}: thresholds.lag_seconds: ")


def test_warn_is_below_fail(tmp_path: Path) -> None:
    text = f"{GOOD}\n[thresholds]\ndisk_warn_percent = 90\n"

    assert "disk_warn_percent must not be above disk_fail_percent" in _error(tmp_path, text)


@pytest.mark.parametrize(
    "waiver",
    [
        'step = "morning.x"\nreason = "because it is"',
        'step = "m.x"\nreason = "short"\nexpires = 2099-01-01',
        'step = "m.x"\nreason = "because it is"\nexpires = "soon"',
    ],
)
def test_a_waiver_has_a_step_a_reason_and_a_day(tmp_path: Path, waiver: str) -> None:
    assert "waivers.0." in _error(tmp_path, f"{GOOD}\n[[waivers]]\n{waiver}\n")


def test_a_value_is_not_repeated_in_an_error(tmp_path: Path) -> None:
    text = GOOD.replace('password_env = "TARGET_PASSWORD"', 'password_env = "TARGET_PASSWORD"\npassword = "hunter2"')

    assert "hunter2" not in _error(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no such pipeline file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "binary.toml")


def test_a_name_means_a_file_in_the_project_and_a_path_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "embedded").mkdir()
    (tmp_path / "mine").write_text("")

    assert resolve("warehouse") == Path("fixtures/pipelines/warehouse.toml"), "an example of ours is nobody's pipeline"
    assert resolve("embedded") == shipped.ROOT / "fixtures/pipelines/embedded.toml"
    assert resolve("mine") == Path("mine")
    assert resolve("elsewhere/x.toml") == Path("elsewhere/x.toml")


ROW = 'test_row = { id = 99999, name = "Test" }'


@pytest.mark.parametrize(
    ("lines", "reported"),
    [
        (ROW, "test_row and test_update belong together"),
        ('test_update = { name = "x" }', "test_row and test_update belong together"),
        ('test_row = { name = "Test" }\ntest_update = { name = "x" }', "test_row must have the columns of the key"),
        (
            f"{ROW}\ntest_update = {{ id = 1 }}",
            "test_update may only change columns that test_row has, and not the key",
        ),
        (f"{ROW}\ntest_update = {{ email = 'x' }}", "test_update may only change columns that test_row has"),
        (f"{ROW}\ntest_update = {{ name = 'Test' }}", "test_update must change something"),
        ("test_row = { id = [1] }\ntest_update = { name = 'x' }", "must be a valid"),
    ],
)
def test_a_test_row_that_cannot_make_a_round_trip(tmp_path: Path, lines: str, reported: str) -> None:
    assert reported in _error(tmp_path, GOOD.replace('key = ["id"]', f'key = ["id"]\n{lines}'))


def test_a_test_row_keeps_its_types(tmp_path: Path) -> None:
    lines = (
        "test_row = { id = 9, at = 2024-02-29T12:00:00Z, price = 1.5, on = true, day = 2024-02-29, tag = '2024-02-29' }"
    )

    table = _load(
        tmp_path, GOOD.replace('key = ["id"]', f'key = ["id"]\n{lines}\ntest_update = {{ price = 2 }}')
    ).tables[0]

    assert {k: type(v).__name__ for k, v in (table.test_row or {}).items()} == {
        "id": "int", "at": "datetime", "price": "float", "on": "bool", "day": "date", "tag": "str",
    }  # fmt: skip


def test_a_round_trip_waits_at_least_as_long_as_a_change_may_take(tmp_path: Path) -> None:
    assert "deadline_seconds must not be below hop_seconds" in _error(
        tmp_path, f"{GOOD}\n[round_trip]\nhop_seconds = 30\ndeadline_seconds = 10\n"
    )


def test_every_fault_is_named_and_a_password_first(tmp_path: Path) -> None:
    text = GOOD.replace('password_env = "SOURCE_PASSWORD"', 'password = "Hunter2!x"').replace(
        "port = 5432", "port = true"
    )

    reported = _error(tmp_path, text)

    first, *others = reported.splitlines()
    assert "source.password is no key: name the environment variable that has the secret, by password_env" in first
    assert any(line.endswith("source.port: must be a number, not true or false") for line in others)
    assert any(line.endswith("source.password_env: this key is required") for line in others)
    assert "Hunter2" not in reported


def test_what_cannot_be_a_variable_is_not_printed_it_may_be_the_password(tmp_path: Path) -> None:
    reported = _error(tmp_path, GOOD.replace('"SOURCE_PASSWORD"', '"Hunter2!secret"'))

    assert "source.password_env: must be the name of an environment variable" in reported
    assert "Hunter2" not in reported


def test_an_endpoint_holds_no_password(tmp_path: Path) -> None:
    reported = _error(tmp_path, GOOD.replace('role = "connect"', 'role = "connect"\nendpoint = "http://admin:pw@x:1"'))

    assert "endpoint: must hold no user and no password" in reported
    assert "admin" not in reported


@pytest.mark.parametrize(
    ("keys", "reported"),
    [
        ('security_protocol = "SASL_SSL"', "sasl_mechanism is required with security_protocol SASL_SSL"),
        (
            'security_protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\nuser = "u"',
            "password_env is required with security_protocol SASL_SSL",
        ),
        ('user = "u"', "user needs security_protocol SASL_SSL or SASL_PLAINTEXT"),
        ('ca_file = "ca.pem"', "ca_file needs security_protocol SSL or SASL_SSL"),
        ('security_protocol = "SSL"\nkey_file = "k.pem"', "certificate_file and key_file belong together"),
        ('security_protocol = "SSL"\nkey_password_env = "K"', "key_password_env is the password of key_file"),
        ('security_protocol = "TLS"', "must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ],
)
def test_a_login_to_kafka_that_is_not_whole_is_named(tmp_path: Path, keys: str, reported: str) -> None:
    text = GOOD.replace('kafka.bootstrap_servers = "127.0.0.1:9092"', "")
    assert text != GOOD
    section = f'[kafka]\nbootstrap_servers = "127.0.0.1:9092"\n{keys}\n'
    assert reported in _error(tmp_path, f"{text}\n{section}")


def test_commands_of_kafka_itself_get_the_login_by_a_file() -> None:
    plain = Kafka(bootstrap_servers="k:9092")
    assert plain.tool_options == ("--bootstrap-server", "k:9092")
    secured = Kafka(bootstrap_servers="k:9093", security_protocol="SSL")
    assert secured.tool_options == ("--bootstrap-server", "k:9093", "--command-config", "client.properties")
