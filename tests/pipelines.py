"""Pipelines for unit tests."""

from cdcproof.pipeline.model import Pipeline


def pipeline_of(*tables: str, source_type: str = "sqlserver", **more: object) -> Pipeline:
    """A pipeline of the named tables: dbo.X → topic t.X → public.X; `more` adds or replaces top-level keys."""
    database = {"host": "h", "port": 1, "user": "u", "schema": "s"}
    return Pipeline.model_validate(
        {
            "name": "test",
            "source": {"type": source_type, "database": "warehouse_source", "password_env": "SOURCE_PW", **database},
            "target": {"type": "postgresql", "database": "warehouse_target", "password_env": "TARGET_PW", **database},
            "connect": {"url": "http://connect:8083"},
            "kafka": {"bootstrap_servers": "kafka:9092"},
            "services": [{"name": "kafka", "role": "kafka", "endpoint": "tcp://kafka:9092"}],
            "connectors": [{"name": "source", "kind": "source"}, {"name": "sink", "kind": "sink", "tasks": 2}],
            "tables": [
                {"name": n, "source": f"dbo.{n}", "target": f"public.{n}", "topic": f"t.{n}", "key": ["id"]}
                for n in tables
            ],
            **more,
        }
    )
