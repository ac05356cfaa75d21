"""Known vulnerabilities of the installed packages, as `pip-audit` has them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.findings import Observation

FINE = "no known vulnerability"
_OWN = "cdcproof"
"""No registry has it: an audit always leaves it out."""


@dataclass(frozen=True)
class Audited:
    """A package. `skipped` is why it was not audited, empty where it was; `advisories` are id and the versions that mend it."""

    name: str
    version: str
    skipped: str
    advisories: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Advisories:
    """Every package that was looked for."""

    packages: tuple[Audited, ...]

    def observation(self) -> Observation:
        """No package has a known vulnerability, and every one was audited."""
        return Observation(self.found(), self.expected(), self.details(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """What holds for every package that was audited."""
        return {one.name: FINE for one in self.packages if not one.skipped}

    def found(self) -> dict[str, str]:
        """That, or its advisories."""
        return {one.name: _word(one) for one in self.packages if not one.skipped}

    def details(self) -> dict[str, str]:
        """What mends it."""
        return {
            one.name: "mended in: " + "; ".join(f"{name}: {versions}" for name, versions in one.advisories)
            for one in self.packages
            if one.advisories
        }

    def unknown(self) -> dict[str, str]:
        """The packages that were left out: `pip-audit` by itself calls those free of vulnerabilities."""
        skipped = [one for one in self.packages if one.skipped and one.name.lower() != _OWN]
        audited = [one for one in self.packages if not one.skipped]
        if audited and not skipped:
            return {}
        why = f" The first: {skipped[0].skipped}" if skipped else ""
        sentence = f"{len(skipped)} of {len(skipped) + len(audited)} packages were not audited.{why}"
        remedy = "The advisory service is that of the package index itself, not of a mirror. Let this machine reach it, then run it again."
        return {sentence: remedy}

    def rows(self) -> list[dict[str, object]]:
        """One row per package with an advisory, and one for the rest."""
        rows: list[dict[str, object]] = [
            {"package": f"{one.name} {one.version}", "advisories": _word(one)}
            for one in self.packages
            if one.advisories
        ]
        audited = sum(not one.skipped for one in self.packages)
        rows.append({"package": "all", "advisories": f"{audited} audited, {len(self.packages) - audited} left out"})
        return rows


def _word(one: Audited) -> str:
    return ", ".join(name for name, _ in one.advisories) or FINE
