"""Alertmanager's inhibition: the cause mutes its consequences, by the needs in the catalogue of checks."""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.monitoring.rules.alerts import causes, every_alert


def rules() -> str:
    """The list `inhibit_rules` of alertmanager.yml, without its name.

    A cause mutes only what is not more severe than itself, and only of its own pipeline. An escalation of a muted alert is muted too.
    """
    consequences: dict[tuple[str, ...], list[str]] = {}
    for alert in every_alert():
        found = causes(alert)
        if found:
            consequences.setdefault(found, []).append(alert.name)
    lines = [line for found, names in consequences.items() for line in _rules(found, names, ("pipeline",))]
    for alert in every_alert():
        if alert.muted_by:
            lines += _rules(alert.muted_by, [alert.name], ("pipeline", *alert.same))
    return "".join(lines)


def _rules(found: Sequence[str], names: Sequence[str], equal: Sequence[str]) -> list[str]:
    source, target = "|".join(found), "|".join(names)
    return [
        _rule(
            [f'alertname=~"{source}"', 'severity="critical"'], [f'alertname=~"{target}"', 'severity="critical"'], equal
        ),
        _rule(
            [f'alertname=~"{source}"', 'severity=~"critical|warning"'],
            [f'alertname=~"{target}"', 'severity!="critical"'],
            equal,
        ),
        _rule([f'alertname=~"{source}"', 'severity="critical"'], [f'escalated=~"{target}"'], equal),
    ]


def _rule(source: Sequence[str], target: Sequence[str], equal: Sequence[str]) -> str:
    return (
        f"  - source_matchers: [{', '.join(map(_quoted, source))}]\n"
        f"    target_matchers: [{', '.join(map(_quoted, target))}]\n"
        f"    equal: [{', '.join(equal)}]\n"
    )


def _quoted(matcher: str) -> str:
    return f"'{matcher}'"
