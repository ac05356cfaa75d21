from __future__ import annotations

import pytest

from cdcproof.connectors.settings.jdbc_url import read

ASSUMED = "The port in connection.url is {}: write it here; {} stands here because it is the usual one."
HOSTS = "connection.url names further hosts, {}: only {} is looked at. Check that it is the one that is written to."


@pytest.mark.parametrize(
    ("url", "address", "doubts"),
    [
        ("jdbc:postgresql://pg:5433/wh?currentSchema=app,public&user=a&password=b", ("pg", 5433, "wh", "a", "app"), ()),
        ("jdbc:postgresql://pg/wh", ("pg", 5432, "wh", None, "public"), ()),
        ("jdbc:postgresql:wh", ("localhost", 5432, "wh", None, "public"), ()),
        ("jdbc:postgresql://pg:5432/", ("pg", 5432, None, None, "public"), ()),
        ("jdbc:postgresql://[2001:db8::5]:5433/wh", ("2001:db8::5", 5433, "wh", None, "public"), ()),
        ("jdbc:postgresql://[::1]/wh", ("::1", 5432, "wh", None, "public"), ()),
        ("jdbc:postgresql://pg/my%20target?user=a%40b&currentSchema=%22App%22", ("pg", 5432, "my target", "a@b", "App"), ()),
        ("jdbc:postgresql://u:p@pg1,pg2:5433/wh", ("pg1", 5432, "wh", None, "public"), (HOSTS.format("pg2:5433", "pg1"),)),
        ("jdbc:postgresql://pg1:5433,[::1]/wh", ("pg1", 5433, "wh", None, "public"), (HOSTS.format("::1:5433", "pg1"),)),
        ("jdbc:aws-wrapper:postgresql://pg:5433/wh?wrapperPlugins=iam", ("pg", 5433, "wh", None, "public"), ()),
        ("jdbc:otel:postgresql://pg/wh", ("pg", 5432, "wh", None, "public"), ()),
        ("jdbc:postgresql://${vault:secret/database:host}:5432/wh", (None, 5432, "wh", None, "public"), ()),
        ("jdbc:postgresql://pg-${env:STAGE}.example:5432/wh", (None, 5432, "wh", None, "public"), ()),
        ("jdbc:postgresql://pg:${env:PORT}/wh", ("pg", 5432, "wh", None, "public"), (ASSUMED.format("not in clear", 5432),)),
        ("jdbc:postgresql://pg:99999/wh", ("pg", 5432, "wh", None, "public"),
         (ASSUMED.format("none that a server can have", 5432),)),
        ("jdbc:postgresql://pg/${file:/run/secrets:db}?user=${file:/run/secrets:user}", ("pg", 5432, None, None, "public"), ()),
        ("jdbc:sqlserver://ms:1444;databaseName=wh;user=a;password=b", ("ms", 1444, "wh", "a", "dbo"), ()),
        ("jdbc:sqlserver://ms\\inst:1444;database=wh", ("ms", 1444, "wh", None, "dbo"), ()),
        ("jdbc:sqlserver://ms\\inst;database=wh", ("ms", 1433, "wh", None, "dbo"),
         ("connection.url names the instance inst and no port: write its port; 1433 stands here.",)),
        ("jdbc:sqlserver://;serverName=ms;portNumber=1445;databaseName=wh", ("ms", 1445, "wh", None, "dbo"), ()),
        ("jdbc:sqlserver://;serverName=2001:db8::5;DatabaseName={my;wh}", ("2001:db8::5", 1433, "my;wh", None, "dbo"), ()),
        ("jdbc:sqlserver://[::1]:1444;databaseName=wh", ("::1", 1444, "wh", None, "dbo"), ()),
        ("jdbc:sqlserver://;portNumber=x;serverName=ms;databaseName=wh", ("ms", 1433, "wh", None, "dbo"),
         (ASSUMED.format("none that a server can have", 1433),)),
        ("jdbc:jtds:sqlserver://ms:1444/wh;instance=inst", ("ms", 1444, "wh", None, "dbo"), ()),
    ],
)  # fmt: skip
def test_the_parts_of_a_url_are_read(url: str, address: tuple[object, ...], doubts: tuple[str, ...]) -> None:
    found = read(url, None)
    assert found
    assert (found.host, found.port, found.database, found.user, found.schema) == address
    assert found.doubts == doubts


@pytest.mark.parametrize("url", ["", "jdbc:mysql://h/d", "${file:/secrets:url}", "postgresql://h/d"])
def test_another_databases_url_has_no_address(url: str) -> None:
    assert read(url, None) is None


def test_the_user_of_the_configuration_goes_first() -> None:
    found = read("jdbc:postgresql://h/d?user=a", "b")
    assert found
    assert found.user == "b"


@pytest.mark.parametrize(
    ("settings", "encrypt", "trusts"),
    [("", True, False), (";encrypt=false", False, False), (";encrypt=strict;trustServerCertificate=TRUE", True, True)],
)
def test_tls_of_sql_server(settings: str, encrypt: bool, trusts: bool) -> None:
    found = read(f"jdbc:sqlserver://h;databaseName=d{settings}", None)
    assert found
    assert (found.encrypt, found.trust_server_certificate) == (encrypt, trusts)
