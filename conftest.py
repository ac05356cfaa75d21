"""Lists the plug-ins; everything else has a place of its own."""

pytest_plugins = ["cdcproof.pytest_plugin", "fixtures.environment", "fixtures.clients"]
