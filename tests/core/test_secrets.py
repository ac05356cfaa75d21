"""What the scrubber takes out, and what it leaves alone."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cdcproof
from cdcproof.core.errors import UsageError
from cdcproof.core.secrets import (
    REDACTED,
    Secret,
    _known,
    from_environment,
    inline_secrets,
    is_secret_key,
    known,
    learn,
    learn_environment,
    redact,
    scrub,
)


def test_a_secret_does_not_print_itself() -> None:
    secret = Secret("correct horse")

    assert "correct" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "correct horse"
    assert secret == Secret("correct horse")
    assert secret != Secret("other")


WRITTEN = {
    "as it is": 'p@ss "wörd" <1> & it\'s \\o/',
    "in a URL's path": "p%40ss%20%22w%C3%B6rd%22%20%3C1%3E%20%26%20it%27s%20%5Co%2F",
    "in a form": "p%40ss+%22w%C3%B6rd%22+%3C1%3E+%26+it%27s+%5Co%2F",
    "in JSON, ASCII": 'p@ss \\"w\\u00f6rd\\" <1> & it\'s \\\\o/',
    "in JSON, UTF-8": 'p@ss \\"wörd\\" <1> & it\'s \\\\o/',
    "in a Python literal": 'p@ss "wörd" <1> & it\\\'s \\\\o/',
    "in a URL, in small letters": "p%40ss%20%22w%c3%b6rd%22%20%3c1%3e%20%26%20it%27s%20%5co%2f",
    "in a URL within a URL": "p%2540ss%2520%2522w%25C3%25B6rd%2522%2520%253C1%253E%2520%2526%2520it%2527s%2520%255Co%252F",
    "in JSON within JSON": 'p@ss \\\\\\"w\\\\u00f6rd\\\\\\" <1> & it\'s \\\\\\\\o/',
    "in HTML, as Jinja writes it": "p@ss &#34;wörd&#34; &lt;1&gt; &amp; it&#39;s \\o/",
    "in HTML's text": 'p@ss "wörd" &lt;1&gt; &amp; it\'s \\o/',
    "in hex": "704073732022 77c3b6726422203c313e2026206974277320 5c6f2f".replace(" ", ""),
    "in base64": "cEBzcyAid8O2cmQiIDwxPiAmIGl0J3MgXG8v",
    "in base64, after a user": "dXNlcjpwQHNzICJ3w7ZyZCIgPDE+ICYgaXQncyBcby8=",
    "in base64 for addresses": "eHBAc3MgInfDtnJkIiA8MT4gJiBpdCdzIFxvLw",
    "in HTML": "p@ss &quot;wörd&quot; &lt;1&gt; &amp; it&#x27;s \\o/",
}
"""One password as curl, browsers, Connect's REST, Python and our pages write it, by hand."""


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_known_secret_is_taken_out_in_every_form_it_may_be_written(written: str) -> None:
    known([WRITTEN["as it is"]])

    assert scrub(f"before «{written}» after") == f"before «{REDACTED}» after"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30))
def test_any_known_secret_is_taken_out(value: str) -> None:
    assume(value.strip() == value and value not in REDACTED and len(set(value)) > 3)
    known([value])
    try:
        assert value not in scrub(f"before «{value}» after").replace(REDACTED, "")
    finally:
        _known.discard(value)


@given(st.binary(max_size=8), st.binary(max_size=8), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_a_known_secret_is_taken_out_of_base64_wherever_it_stands_in_it(before: bytes, after: bytes, encode) -> None:
    known(["a~~?~~>secret"])

    assert scrub(f"x {encode(before + b'a~~?~~>secret' + after).decode()} y") == f"x {REDACTED} y"


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "database.password: hunter2",
        '"database.password": "hunter2"',
        "{'password': 'hunter2', 'x': 1}",
        "connection.password = hunter2",
        "PGPASSWORD=hunter2 psql -h x",
        "--target-password=hunter2",
        "PWD=hunter2;UID=sa",
        "jdbc:sqlserver://h:1433;user=sa;password={hun;hunter2};encrypt=true",
        "jdbc:postgresql://h/db?user=u&password=hunter2&ssl=true",
        "postgresql://u:hunter2@h:5432/db",
        "http://user:hunter2@localhost:8083/connectors",
        'sasl.jaas.config=org.apache.PlainLoginModule required username="u" password="hunter2";',
        "access_token=hunter2",
        "Authorization: Bearer hunter2hunter2",
        "Authorization: Basic hunter2hunter2",
        "api.key=hunter2",
        "SQLSERVER_PASSWORD='hunter2'",
        'password="hunter2 with blanks"',
        r"{\"database.password\": \"hunter2\"}",
        "reconcile --source-password hunter2 --target-type postgresql",
        "sqlcmd --password 'hunter2'",
        "Driver={ODBC Driver 18};Server=h;PWD={a;hunter2}}b};Encrypt=yes",
        "posted by xoxb-123456789012-hunter2hunter2",
        "cloned with ghp_hunter2hunter2hunter2hunter2hunter2",
        "renewed hvs.CAESIhunter2hunter2hunter2",
        "token eyJhbGciOiJIUzI1NiJ9.eyJodW50ZXIyIjoxfQ.hunter2hunter2hunter2",
        "ALTER ROLE cdc PASSWORD 'hunter2'",
        "CREATE LOGIN cdc WITH PASSWORD = N'hunter2'",
        "aws.secret.access.key = hunter2",
        "ssl.keystore.key=hunter2",
        "basic.auth.user.info = me:hunter2",
        "snowflake.private.key.passphrase=hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2, and the end is missing",
    ],
)
def test_what_stands_where_a_secret_stands_is_taken_out(text: str) -> None:
    assert "hunter2" not in scrub(text)
    assert REDACTED in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "The environment variable SQLSERVER_PASSWORD, the password for the source, is not set.",
        'password authentication failed for user "postgres"',
        "password is not set",
        "FATAL: password authentication failed",
        "export SQLSERVER_PASSWORD=…",
        "database.password=${file:/etc/secrets:db}",
        "database.password=${SQLSERVER_PASSWORD}",
        "PGPASSWORD=$POSTGRES_PASSWORD psql",
        'password="${POSTGRES_PASSWORD}"',
        '"database.password": null',
        "http://localhost:8083/connectors",
        "http://localhost:8083/a@b",
        "2026-11-23 06:12:00 task 0 FAILED: org.postgresql.util.PSQLException",
        'password_env = "SQLSERVER_PASSWORD"',
        "the tokens: 3",
        "cdcproof reconcile --password --yes",
        "--source-password is empty: is the variable set?",
        "--read-timeout 5",
        "-----BEGIN CERTIFICATE-----",
        "",
    ],
)
def test_innocent_text_stays_as_it_is(text: str) -> None:
    assert scrub(text) == text


def test_a_password_in_an_address_may_hold_an_at_sign() -> None:
    assert scrub("at http://me:first@last@host:8083/a@b") == f"at http://me:{REDACTED}@host:8083/a@b"


def test_scrubbed_json_is_still_json() -> None:
    config = {"config": {"a.password": "x"}, "log": "failed with password=hunter2", "more": "secret: 'a b'", "n": 1}

    assert json.loads(scrub(json.dumps(config))).keys() == config.keys()
    assert json.loads(scrub(json.dumps(json.dumps(config))))


def test_scrubbing_long_text_is_quick_enough_to_be_done_everywhere() -> None:
    text = "password='" * 5_000 + "x" * 100_000

    assert len(scrub(text)) > 0  # a pattern that backtracks would not come back for minutes


def test_scrubbing_twice_changes_nothing() -> None:
    text = 'password=hunter2 "a.password": "b c" http://u:p1234@h/ Authorization: Bearer abc.def'

    assert scrub(scrub(text)) == scrub(text)


def test_the_longer_of_two_secrets_goes_first() -> None:
    known(["abcd", "abcd-efgh"])

    assert scrub("x abcd-efgh y") == f"x {REDACTED} y"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("posted by xoxb-123456789012-hunter2hunter2", f"posted by {REDACTED}"),
        ("http://u:hunter12345@h/", f"http://u:{REDACTED}@h/"),
        ("password=hunter,12345,2 x", f"password={REDACTED} x"),
        ("PWD=12345hunter2;UID=sa", f"PWD={REDACTED};UID=sa"),
        ("1234567", REDACTED),
    ],
)
def test_a_secret_within_another_does_not_hide_the_rest(text: str, scrubbed: str) -> None:
    known(["12345", "34567", "hunter,12345,2"])

    assert scrub(text) == scrubbed


def test_a_short_secret_does_not_eat_innocent_text() -> None:
    known(["sa"])

    assert scrub("the message says") == "the message says"


def test_a_configuration_is_redacted_by_key() -> None:
    config = {
        "name": "source",
        "database.password": "hunter2",
        "connection.password": "${file:/etc/secrets:db}",
        "ssl.keystore.password": "",
        "sasl.jaas.config": 'x password="hunter2";',
        "topic.prefix": "p",
    }

    assert redact(config) == {**config, "database.password": REDACTED, "sasl.jaas.config": REDACTED}
    assert inline_secrets(config) == ["database.password", "sasl.jaas.config"]


def test_a_configuration_teaches_its_secrets_and_those_within_its_addresses() -> None:
    learn(
        {
            "connection.password": "inline-secret",
            "connection.url": "jdbc:x://u:in%2Furl@h/db?password=as+query",
            "sasl.jaas.config": 'PlainLoginModule required username="u" password="in jaas";',
            "database.password": "${file:/etc/secrets:db}",
            "token.enabled": "true",
            "token.ttl": "3600",
            "topic.prefix": "warehouse",
        }
    )

    assert {"inline-secret", "in%2Furl", "in/url", "as+query", "in jaas"} <= _known
    text = "warehouse true 3600 ${file:/etc/secrets:db}"
    assert scrub(text) == text


def test_the_environment_teaches_its_secrets_but_not_the_folder_we_are_in() -> None:
    learn_environment(
        {
            "PWD": "/opt/pipeline",
            "OLDPWD": "/opt/before",
            "SOME_TOKEN": "a-token",
            "BASIC_AUTH_USER_INFO": "me:basic",
            "KAFKA_OPTS": "-Dx.password=within",
            "SECRET_FILE": "/run/secrets/x",
            "HOME": "/root",
        }
    )

    assert scrub("a-token me:basic within") == f"{REDACTED} {REDACTED} {REDACTED}"
    text = "/opt/pipeline/reports /opt/before /root /run/secrets/x"
    assert scrub(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "database.password",
        "SSL.KEY.PASSWORD",
        "aws.secret.access.key",
        "api-key",
        "auth.token",
        "ssl.keystore.key",
        "s3.access.key",
        "azure.account.key",
        "mongodb.connection.string",
        "snowflake.private.key.passphrase",
    ],
)
def test_keys_that_hold_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "database.user",
        "key.converter",
        "primary.key.mode",
        "tombstones.on.delete",
        "ssl.keystore.location",
        "key.converter.schemas.enable",
        "transforms.key.type",
    ],
)
def test_keys_that_do_not(key: str) -> None:
    assert not is_secret_key(key)


def test_a_password_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_PASSWORD", raising=False)

    with pytest.raises(UsageError, match="NO_SUCH_PASSWORD, the password for the source, is not set"):
        from_environment("NO_SUCH_PASSWORD", "the source")


def test_a_password_from_the_environment_is_known_to_the_scrubber(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "correct horse")

    assert from_environment("SOME_PASSWORD", "x").reveal() == "correct horse"
    assert "horse" not in scrub("a correct horse")


def _texts_of(path: Path) -> Iterator[str]:
    """The texts of a module, a value within one as it might be."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "source" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_word_of_our_own_sentences_about_a_flag_is_taken_for_its_value() -> None:
    flag = re.compile(r"--[\w-]*(?:password|passwd|pwd|secret|token) +\w")
    ours = [
        text for path in Path(cdcproof.__file__).parent.rglob("*.py") for text in _texts_of(path) if flag.search(text)
    ]
    assert [text for text in ours if "shows in the process list" in text]
    assert [text for text in ours if scrub(text) != text] == []


@pytest.mark.parametrize("value", ["hunter2", "shows!", "to", "notapassword", "in-the-sun", "the.moon", "words"])
def test_what_stands_behind_a_flag_is_its_value_else(value: str) -> None:
    assert value not in scrub(f"connect --source-password {value}\nnext").replace("--source-password", "").split()
