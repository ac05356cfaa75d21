"""Microsoft's own T-SQL parser and binder, offline, as a program: `python tests/databases/sqlserver/queries/binder.py < questions.json`.

It knows built-in functions and their arguments, types, collations and dateparts of SQL Server 2017, and of tables and
functions what it is given. Asked `{"columns": {"schema.table": [name, …]}, "functions": {"schema.name": arguments}, "procedures":
{"schema.name": [parameter, …]}, "statements": [text, …]}`, it prints a list with `{"kinds": [class of each statement],
"complaints": [message, …]}` for each text. In a process of its own, because the .NET runtime cannot be unloaded.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ASSEMBLIES = ("SqlParser", "ConnectionInfo", "Management.Sdk.Sfc", "Smo", "Management.SmoMetadataProvider", "SqlEnum")
DATABASE = "warehouse_source"


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found
    assert found.origin
    return Path(found.origin).parent / "bin"


def load() -> None:
    """Start the runtime of the `dotnetcore2` wheel and load the parser of the `mssqltoolsservice` wheel into it."""
    from clr_loader import get_coreclr
    from pythonnet import set_runtime

    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "runtime.json")
        framework = {"name": "Microsoft.NETCore.App", "version": "3.1.0"}
        properties = {"System.Globalization.Invariant": True}
        config.write_text(
            json.dumps(
                {
                    "runtimeOptions": {
                        "tfm": "netcoreapp3.1",
                        "framework": framework,
                        "configProperties": properties,
                    }
                }
            )
        )
        set_runtime(get_coreclr(runtime_config=str(config), dotnet_root=str(_folder("dotnetcore2"))))
        import clr  # noqa: F401  makes the runtime's namespaces importable

    import System

    tools = _folder("mssqltoolsservice")

    def resolve(_: Any, wanted: Any) -> Any:
        path = tools / (str(wanted.Name).partition(",")[0] + ".dll")
        return System.Reflection.Assembly.LoadFrom(str(path)) if path.exists() else None

    System.AppDomain.CurrentDomain.AssemblyResolve += System.ResolveEventHandler(resolve)
    for name in ASSEMBLIES:
        System.Reflection.Assembly.LoadFrom(str(tools / f"Microsoft.SqlServer.{name}.dll"))


def _server() -> Any:
    from Microsoft.SqlServer.Management.Common import ServerConnection, ServerVersion, SqlConnectionInfo
    from Microsoft.SqlServer.Management.Sdk.Sfc import ISfcHasConnection, SfcConnectionContextMode
    from Microsoft.SqlServer.Management.Smo import Server

    connection = ServerConnection(SqlConnectionInfo("offline", "x", "x"))  # the other constructors throw
    connection.TrueName = "offline"
    connection.ServerVersion = ServerVersion(14, 0)
    server = Server(connection)
    ISfcHasConnection(server).ConnectionContext.Mode = SfcConnectionContextMode.Offline
    return server


class Binder:
    """A server with the databases `DATABASE`, master and msdb, whose objects are given."""

    def __init__(self, asked: dict[str, Any]) -> None:
        from Microsoft.SqlServer.Management.Smo import Database, Schema
        from Microsoft.SqlServer.Management.SmoMetadataProvider import SmoMetadataProvider
        from Microsoft.SqlServer.Management.SqlParser.Binder import BinderProvider

        server = _server()
        schemas = {"dbo", *(name.split(".")[-2] for kind in list(asked.values())[:-1] for name in kind)}
        for name in ("master", "msdb", DATABASE):
            database = Database(server, name)
            database.Create()
            for schema in sorted(schemas):
                Schema(database, schema).Create()
            self._add_tables(database, name, asked["columns"])
            self._add_procedures(database, name, asked["procedures"])
            if name == DATABASE:
                self._fill(database, asked)
        self._binder = BinderProvider.CreateBinder(SmoMetadataProvider.CreateDisconnectedProvider(server))

    @staticmethod
    def _add_tables(database: Any, name_of_database: str, columns: dict[str, list[str]]) -> None:
        """Those of this database: a name without one is `DATABASE`'s."""
        from Microsoft.SqlServer.Management import Smo

        for full_name, of_table in columns.items():
            *before, schema, name = full_name.split(".")
            if (before or [DATABASE]) != [name_of_database]:
                continue
            table = Smo.Table(database, name, schema)
            for column in of_table:
                table.Columns.Add(Smo.Column(table, column, Smo.DataType.Int))
            table.Create()

    @staticmethod
    def _fill(database: Any, asked: dict[str, Any]) -> None:
        from Microsoft.SqlServer.Management import Smo

        for full_name, arguments in asked["functions"].items():
            schema, _, name = full_name.partition(".")
            function = Smo.UserDefinedFunction(database, name, schema)
            function.TextMode = False
            function.FunctionType = Smo.UserDefinedFunctionType.Scalar
            function.DataType = Smo.DataType.Int
            for number in range(arguments):
                function.Parameters.Add(Smo.UserDefinedFunctionParameter(function, f"@p{number}", Smo.DataType.Int))
            function.TextBody = "BEGIN RETURN 0 END"
            function.Create()

    @staticmethod
    def _add_procedures(database: Any, name_of_database: str, procedures: dict[str, list[str]]) -> None:
        """Those of this database, named as tables are."""
        from Microsoft.SqlServer.Management import Smo

        for full_name, parameters in procedures.items():
            *before, schema, name = full_name.split(".")
            if (before or [DATABASE]) != [name_of_database]:
                continue
            procedure = Smo.StoredProcedure(database, name, schema)
            procedure.TextMode = False
            for parameter in parameters:
                one = Smo.StoredProcedureParameter(procedure, parameter, Smo.DataType.Int)
                one.DefaultValue = "NULL"
                procedure.Parameters.Add(one)
            procedure.TextBody = "RETURN"
            procedure.Create()

    def judge(self, statement: str) -> dict[str, list[str]]:
        """What the text consists of, and what is wrong with it."""
        from Microsoft.SqlServer.Management.SqlParser.Binder import BindMode
        from Microsoft.SqlServer.Management.SqlParser.Common import DatabaseCompatibilityLevel, TransactSqlVersion
        from Microsoft.SqlServer.Management.SqlParser.Parser import ParseOptions, Parser, ParseResult
        from System.Collections.Generic import List

        level, version = DatabaseCompatibilityLevel.Version130, TransactSqlVersion.Version130
        result = Parser.Parse(statement, ParseOptions("GO", True, level, version))
        some = List[ParseResult]()
        some.Add(result)
        self._binder.Bind(some, DATABASE, BindMode.Batch)
        kinds = [one.GetType().Name for batch in result.Script.Batches for one in batch.Statements]
        return {"kinds": kinds, "complaints": [error.Message for error in result.Errors]}


if __name__ == "__main__":
    load()
    questions = json.load(sys.stdin)
    binder = Binder(questions)
    json.dump([binder.judge(statement) for statement in questions["statements"]], sys.stdout)
