"""Commands under the names the runbook uses: `python -m src.cli.reconcile`, from the project's folder."""
