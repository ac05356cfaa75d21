"""Names the plug-in of the fixtures. `cdcproof.pytest_plugin` comes with the installed package."""

pytest_plugins = ["fixtures.plugin"]
