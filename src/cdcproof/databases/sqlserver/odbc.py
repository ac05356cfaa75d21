"""Finding an ODBC driver for SQL Server, and the connection string that it understands. No pyodbc here."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.secrets import Secret
from cdcproof.pipeline.engines import WITHOUT_PASSWORD, DatabaseAddress

_MICROSOFT = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server")
_FREETDS = "FreeTDS"


@dataclass(frozen=True)
class Driver:
    """A registered driver's name, or the path of its library. `is_freetds` because its keywords differ."""

    name: str
    is_freetds: bool = False


def find_driver(registered: Iterable[str], wheel_libraries: Path | None) -> Driver:
    """The best driver: Microsoft's as registered, else Microsoft's in the `mssql-python-odbc` wheel, else FreeTDS.

    `registered` are the driver manager's names, `wheel_libraries` the wheel's ``libs`` folder if it is installed.
    """
    registered = list(registered)
    for name in _MICROSOFT:
        if name in registered:
            return Driver(name)
    in_wheel = _library_in(wheel_libraries) if wheel_libraries else None
    if in_wheel:
        return Driver(str(in_wheel))
    if _FREETDS in registered:
        return Driver(_FREETDS, is_freetds=True)
    raise CouldNotLookError(
        "There is no ODBC driver for SQL Server on this machine.",
        "pip install 'cdcproof[sqlserver]'   (its mssql-python-odbc is Microsoft's driver, for Linux and macOS; it needs unixODBC: "
        "apt-get install unixodbc), or install “ODBC Driver 18 for SQL Server”.",
    )


def wheel_libraries() -> Path | None:
    """The folder with the drivers in the `mssql-python-odbc` wheel, None where it is not installed."""
    found = importlib.util.find_spec("mssql_python_odbc")
    return Path(found.origin).parent / "libs" if found and found.origin else None


def connection_string(driver: Driver, database: DatabaseAddress, password: Secret) -> str:
    """The string that opens a session: encrypted unless the pipeline says otherwise, and asking for a readable replica.

    Every value stands in braces with ``}`` doubled, so that no character of it can end it.
    Keywords: Microsoft's "DSN and Connection String Keywords and Attributes" for the ODBC driver; FreeTDS user guide, "ODBC".
    MultiSubnetFailover as the pipeline says: "ODBC Driver on Linux and macOS Support for High Availability" wants it for a listener
    and warns of it elsewhere, and a host does not say which it is; without it a listener's addresses are tried in turn.
    """
    if driver.is_freetds:
        _demand_freetds_can(database)
        place = {
            "SERVER": database.host,
            "PORT": str(database.port),
            "TDS_Version": "7.4",
            "ClientCharset": "UTF-8",
            "Encryption": "off" if database.encrypt is False else "require",
        }
    else:
        place = _place(database)
    return _joined({"DRIVER": driver.name, **place, **_account(database, password), "APP": "cdcproof"})


def driverless_connection_string(database: DatabaseAddress, password: Secret) -> str:
    """The same for mssql-python, which brings its driver and names itself."""
    return _joined({**_place(database), **_account(database, password)})


def _place(database: DatabaseAddress) -> dict[str, str]:
    return {
        "SERVER": f"tcp:{database.host},{database.port}",
        "Encrypt": "no" if database.encrypt is False else "yes",
        "TrustServerCertificate": "yes" if database.trust_server_certificate else "no",
        **({"HostNameInCertificate": database.host_name_in_certificate} if database.host_name_in_certificate else {}),
        **({"MultiSubnetFailover": "Yes"} if database.multi_subnet_failover else {}),
    }


def _account(database: DatabaseAddress, password: Secret) -> dict[str, str]:
    """Windows, integrated and managed identities have no password; of a managed identity the user is its client id, where it has several."""
    kind = database.authentication
    named = {"UID": database.user} if kind not in ("Windows", "ActiveDirectoryIntegrated") else {}
    login = {"Trusted_Connection": "yes"} if kind == "Windows" else {"Authentication": kind} if kind else {}
    secret = {} if kind in WITHOUT_PASSWORD else {"PWD": password.reveal()}
    return {"DATABASE": database.database, **named, **secret, **login, "ApplicationIntent": "ReadOnly"}


def _demand_freetds_can(database: DatabaseAddress) -> None:
    """Raise `CouldNotLookError` for what only Microsoft's driver does."""
    for key, value in {
        "authentication": database.authentication,
        "host_name_in_certificate": database.host_name_in_certificate,
    }.items():
        if value:
            raise CouldNotLookError(
                f"{key} = {value!r} takes Microsoft's ODBC driver; this machine has FreeTDS only.",
                "pip install 'cdcproof[sqlserver]'   (its mssql-python-odbc is Microsoft's driver)",
            )


def _joined(keywords: Mapping[str, str]) -> str:
    return "".join(f"{name}={_braced(value)};" for name, value in keywords.items())


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"


def _library_in(libraries: Path) -> Path | None:
    """The wheel holds one driver per system, distribution and processor; on Windows a driver must be registered."""
    pattern = {"Linux": "linux/*/{}/lib/libmsodbcsql*.so*", "Darwin": "macos/{}/lib/libmsodbcsql*.dylib"}.get(
        platform.system()
    )
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    if not pattern:
        return None
    found = sorted(libraries.glob(pattern.format(machine)))
    alike = [path for path in found if path.relative_to(libraries).parts[1] in _distributions()]
    return next(iter(alike or found), None)


def _distributions() -> set[str]:
    """Names under which the wheel may hold this Linux: its families, and the folder's spelling of each."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return set()
    families = {system.get("ID", ""), *system.get("ID_LIKE", "").split()}
    folders = {
        "debian": "debian_ubuntu",
        "ubuntu": "debian_ubuntu",
        "fedora": "rhel",
        "rhel": "rhel",
        "suse": "suse",
        "alpine": "alpine",
    }
    return {folders[family] for family in families if family in folders}
