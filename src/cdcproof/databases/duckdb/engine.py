"""The only module that imports DuckDB: it is loaded in the background, with its PostgreSQL extension.

The extension comes from the wheel `duckdb-extension-postgres-scanner`, from where pip has put it: no network is asked and
nothing is written to anybody's home. DuckDB verifies its signature, which is most of the time that loading takes.
"""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import scrub

MEMORY_MEGABYTES = 64
"""For everything that DuckDB holds; with the program itself a run stays below 200 MB."""
_EXTENSION = "duckdb_extension_postgres_scanner"
_SETTINGS: dict[str, str | int] = {
    "threads": 2,
    "memory_limit": f"{MEMORY_MEGABYTES}MB",
    "temp_directory": "",  # what does not fit is refused: nobody's rows go to a disk here
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "false",
}


class NoStreamError(UnexpectedAnswerError):
    """This machine has no DuckDB, or not its PostgreSQL extension."""


class Loading:
    """DuckDB in memory, which is being loaded from now on; it takes some tenths of a second."""

    def __init__(self) -> None:
        self._loaded: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._load)  # no daemon: a process must not end in the midst of it
        self._thread.start()

    def connection(self) -> Any:
        """Raises `NoStreamError` saying what is missing when this machine cannot stream."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._loaded

    def cursor(self) -> Any:
        """A connection of its own to the same DuckDB, for one thread at a time. Raises as `connection`."""
        cursor = self.connection().cursor()
        cursor.execute(
            "SET enable_progress_bar = false"
        )  # which DuckDB writes to standard output where it takes Python for interactive
        return cursor

    def close(self) -> None:
        """End it: what still runs is interrupted."""
        self._thread.join()
        if self._loaded:
            self._loaded.close()

    def _load(self) -> None:
        try:
            self._loaded = _loaded()
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            self._error = error


def module() -> Any:
    """DuckDB's own names."""
    try:
        import duckdb  # noqa: PLC0415  it takes 0.1 s, and counting rows needs none
    except ModuleNotFoundError:
        raise NoStreamError("DuckDB, which streams, is not installed.", f"{_INSTALL}. {_INSTEAD}") from None
    except ImportError as error:
        raise NoStreamError(f"DuckDB does not load: {error}", _INSTEAD) from None
    return duckdb


def quoted(text: str) -> str:
    """As a literal of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


_INSTALL = "Install it with: pip install 'cdcproof[stream]'"
_INSTEAD = "Let the servers hash what is compared: --strategy push-down"


def _loaded() -> Any:
    duckdb = module()
    found = importlib.util.find_spec(_EXTENSION)
    folder = Path(next(iter(found.submodule_search_locations or ()))) if found else Path()
    extension = folder / "extensions" / f"v{duckdb.__version__}" / "postgres_scanner.duckdb_extension"
    if not extension.is_file():
        raise NoStreamError(
            f"DuckDB's PostgreSQL extension of version {duckdb.__version__} is not installed; "
            "it is made for Linux on x86-64, for macOS and for Windows.",
            _INSTEAD,
        )
    try:
        connection = duckdb.connect(config=_SETTINGS)
        connection.execute(f"LOAD {quoted(str(extension))}")
    except duckdb.Error as error:
        raise NoStreamError(f"DuckDB does not load: {scrub(str(error))}", _INSTEAD) from None
    return connection
