"""The address of a database in a JDBC URL: PostgreSQL's and SQL Server's, also through a driver that wraps theirs. Pure.

The forms are those of the drivers' public documentation (pgjdbc, mssql-jdbc, jTDS). A part that is a reference which only the
worker can resolve (``${vault:…}``) is None; the other parts are read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from cdcproof.pipeline.engines import DEFAULT_PORTS, DEFAULT_SCHEMAS, Engine

_REFERENCE = re.compile(r"\$\{[^{}]*\}")
_HIDDEN = "\ue000"
"""Stands for a reference while the URL is taken apart: a character of no URL."""
_URL = re.compile(r"jdbc:(?P<wrappers>(?:[\w-]+:)*?)(?P<engine>postgresql|sqlserver):(?P<rest>.*)", re.DOTALL)
_SETTING = re.compile(r";\s*(?P<key>[^=;]+?)\s*=\s*(?P<value>\{(?:[^}]|\}\})*\}|[^;]*)")
_GREATEST_PORT = 65_535


@dataclass(frozen=True)
class Address:
    """A database as a connector reaches it. None for what the configuration does not say in clear.

    `doubts` are sentences about what the address says beside that, or leaves open.
    """

    engine: Engine
    host: str | None
    port: int
    database: str | None
    user: str | None
    schema: str
    publication: str | None = None
    slot: str | None = None
    encrypt: bool = True
    trust_server_certificate: bool = False
    multi_subnet_failover: bool = False
    doubts: tuple[str, ...] = ()


def read(url: str, user: str | None) -> Address | None:
    """The address in a URL; `user` is that of the configuration, which goes before the URL's. None for another database's."""
    found = _URL.fullmatch(_REFERENCE.sub(_HIDDEN, url.strip()))
    if found is None:
        return None
    if found["engine"] == "postgresql":
        return _postgresql(found["rest"], user)
    return _sqlserver(found["rest"], user, jtds="jtds:" in found["wrappers"])


class _Place(NamedTuple):
    host: str
    port: str


def _postgresql(rest: str, user: str | None) -> Address:
    place, _, query = rest.partition("?")
    options = {key: unquote(value) for key, _, value in (part.partition("=") for part in query.split("&"))}
    authority, _, database = place[2:].partition("/") if place.startswith("//") else ("", "", place.lstrip("/"))
    servers = [_place(unquote(server)) for server in authority.rpartition("@")[2].split(",")]
    first, *others = servers
    port, doubts = _port(first.port or options.get("PGPORT", ""), "postgresql")
    if others:
        also = ", ".join(f"{_shown(one.host)}:{_shown(one.port) or port}" for one in others)
        doubts.append(
            f"connection.url names further hosts, {also}: only {_shown(first.host)} is looked at. "
            "Check that it is the one that is written to."
        )
    schema = _clear(options.get("currentSchema", "").split(",")[0].strip().strip('"'))
    user = user or _clear(options.get("user", ""))
    return Address(
        engine="postgresql",
        host=_clear(first.host or options.get("PGHOST", "localhost")),
        port=port,
        database=_clear(unquote(database) or options.get("PGDBNAME", "")),
        user=user,
        schema=schema or DEFAULT_SCHEMAS["postgresql"],
        doubts=tuple(doubts),
    )


def _sqlserver(rest: str, user: str | None, *, jtds: bool) -> Address:
    server = rest.removeprefix("//").partition(";")[0]
    options = {found["key"].lower(): _unbraced(found["value"]) for found in _SETTING.finditer(rest)}
    server, _, path = server.partition("/") if jtds else (server, "", "")
    server, _, instance = server.partition("\\")
    instance, _, instance_port = instance.partition(":")
    place = _place(server)
    port_text = place.port or instance_port or options.get("portnumber") or options.get("port") or ""
    port, doubts = _port(port_text, "sqlserver")
    instance = instance or options.get("instancename") or options.get("instance") or ""
    if instance and not port_text:
        doubts.append(
            f"connection.url names the instance {_shown(instance)} and no port: write its port; {port} stands here."
        )
    if partner := options.get("failoverpartner"):
        doubts.append(
            f"connection.url names a failover partner, {_shown(partner)}: only the first server is looked at."
        )
    return Address(
        engine="sqlserver",
        host=_clear((place.host or options.get("servername") or options.get("server") or "").strip("[]")),
        port=port,
        database=_clear(path or options.get("databasename") or options.get("database") or ""),
        user=user or _clear(options.get("user") or options.get("username") or ""),
        schema=DEFAULT_SCHEMAS["sqlserver"],
        encrypt=options.get("encrypt", "true").lower() not in ("false", "no", "optional"),
        trust_server_certificate=_is_true(options, "trustservercertificate"),
        multi_subnet_failover=_is_true(options, "multisubnetfailover"),
        doubts=tuple(doubts),
    )


def _place(text: str) -> _Place:
    """Host and port, of which an IPv6 address stands in brackets."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return _Place(host, port.lstrip(":"))
    host, _, port = text.partition(":")
    return _Place(host, port)


def _port(text: str, engine: Engine) -> tuple[int, list[str]]:
    """A port, and a doubt where it had to be assumed."""
    usual = DEFAULT_PORTS[engine]
    if not text:
        return usual, []
    if text.isdecimal() and 0 < int(text) <= _GREATEST_PORT:
        return int(text), []
    why = "not in clear" if _HIDDEN in text else "none that a server can have"
    return usual, [
        f"The port in connection.url is {why}: write it here; {usual} stands here because it is the usual one."
    ]


def _clear(text: str) -> str | None:
    return text if text and _HIDDEN not in text else None


def _shown(text: str) -> str:
    return text.replace(_HIDDEN, "${…}")


def _unbraced(value: str) -> str:
    value = value.strip()
    return value[1:-1].replace("}}", "}") if value.startswith("{") and value.endswith("}") else value


def _is_true(options: Mapping[str, str], key: str) -> bool:
    return options.get(key, "").lower() in ("true", "yes")
