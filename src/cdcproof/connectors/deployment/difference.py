"""What differs between the configuration that runs and the one that should. Pure, and redacted: it may be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.core.secrets import REDACTED, redact, scrub
from cdcproof.findings import ABSENT


@dataclass(frozen=True)
class KeyChange:
    """One key of a configuration; `before` and `after` are as they may be shown, ``absent`` for a key that is not there."""

    key: str
    before: str
    after: str


def differences(running: Mapping[str, str] | None, wanted: Mapping[str, str]) -> tuple[KeyChange, ...]:
    """The keys that differ, sorted; a connector that does not run differs in every key."""
    found = without_name(running or {})
    wanted = without_name(wanted)
    shown = {"before": redact(found), "after": redact(wanted)}
    return tuple(
        KeyChange(key, _shown(shown["before"], key), _shown(shown["after"], key))
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    )


def without_name(config: Mapping[str, str]) -> dict[str, str]:
    """The configuration without the key ``name``, which Connect adds to what it was given."""
    return {key: value for key, value in config.items() if key != "name"}


def lines(changes: tuple[KeyChange, ...]) -> list[str]:
    """As people read a difference: ``-`` what runs, ``+`` what should."""
    lines = []
    for change in changes:
        if change.before != ABSENT:
            lines.append(f"- {change.key} = {change.before}")
        if change.after != ABSENT:
            lines.append(f"+ {change.key} = {change.after}" + (" (another one)" if change.before == REDACTED else ""))
    return lines


def _shown(config: Mapping[str, object], key: str) -> str:
    return scrub(str(config[key])) if key in config else ABSENT
