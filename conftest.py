"""Lists the plug-ins; everything else has a place of its own. `cdcproof.pytest_plugin` comes with the installed package."""

pytest_plugins = [
    "fixtures.environment",
    "fixtures.clients",
    "fixtures.connectors",
    "fixtures.validation",
    "fixtures.staging",
    "fixtures.maintenance",
    "fixtures.weekly",
    "fixtures.monthly",
]
