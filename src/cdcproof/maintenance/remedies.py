"""What an operator does next about a window's checklist: commands that can be pasted. Nothing here acts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline
from cdcproof.remedies.commands import CommandLine, Commands


@dataclass(frozen=True)
class WindowRemedies:
    """The commands for one pipeline in one environment."""

    environment: Environment
    pipeline: Pipeline
    pipeline_name: str

    @property
    def _commands(self) -> CommandLine:
        return CommandLine(self.environment, self.pipeline, self.pipeline_name)

    def confirm(self, what: str) -> Commands:
        """Record it, once it is done."""
        return (
            f"# once it is {what}, with the name of who has done it:",
            self._commands.cdcproof("maintenance", "confirm", what, "--by", "WHO, AND WHERE IT CAN BE READ"),
        )

    def pass_staging(self, change: str) -> Commands:
        """Let the change pass the gate."""
        return (f"pytest -m staging --pipeline=staging --change={shlex.quote(change)}",)

    def plan_anew(self) -> Commands:
        """See what is planned; plan again with the files as they are."""
        return (
            self._commands.cdcproof("maintenance", "status"),
            "# plan it again, before the change edits any file: cdcproof maintenance plan --change … --begins … --compose …",
        )

    def record_baseline(self) -> Commands:
        """See what differs; record it when it is right."""
        return (
            self._commands.cdcproof("baseline", "compare"),
            "# undo what was not meant; when all of it is right:",
            self._commands.cdcproof("baseline", "save"),
        )

    def collect_diagnostics(self) -> Commands:
        """See what cannot be collected, and why."""
        return (self._commands.cdcproof("diagnose"),)

    def back_up_now(self) -> Commands:
        """Make a backup."""
        return (self._commands.cdcproof("backup"),)

    def prove_restore(self) -> Commands:
        """Prove it, and record that."""
        return (
            self._commands.act("maintenance", "prove-restore"),
            "# or restore it elsewhere, compare its counts with the manifest's, and record that: "
            "cdcproof maintenance confirm restored --by …",
        )
