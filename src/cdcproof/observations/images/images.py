"""The images of the compose files, of the containers that run, and of the registries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.clients.containers.engine import Image
from cdcproof.findings import ABSENT, Observation

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Running:
    """A service of the compose files. `wanted` is the image that they name; `runs` and `image_id` are the container's, empty without one.

    `image` is what the engine has under the wanted name now; None where it has nothing.
    """

    service: str
    wanted: str
    runs: str
    image_id: str
    image: Image | None


@dataclass(frozen=True)
class Images:
    """Every service of the compose files that has an image."""

    services: tuple[Running, ...]
    now: float
    age_days: float

    def observation(self) -> Observation:
        """Every container runs the image of the compose files; one that was made long ago is a concern."""
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.old(),
            no_concern="made lately",
        )

    def expected(self) -> dict[str, str]:
        """Service to the image of the compose files, as the engine has it now."""
        return {one.service: one.wanted for one in self.services}

    def found(self) -> dict[str, str]:
        """That, or what its container runs. A service without a container is one that was not started."""
        return {one.service: self._word(one) for one in self.services}

    def details(self) -> dict[str, str]:
        """The digests that differ."""
        return {
            one.service: f"the container: {_short(one.image_id)}, pulled: {_short(one.image.id) if one.image else 'none'}"
            for one in self.services
        }

    def old(self) -> dict[str, str]:
        """Images that were made too long ago."""
        ages = {one.service: self._days(one) for one in self.services}
        return {name: f"made {days:,.0f} days ago" for name, days in ages.items() if days and days > self.age_days}

    def rows(self) -> list[dict[str, object]]:
        """One row per service, for the report."""
        return [
            {
                "service": one.service,
                "compose files": one.wanted,
                "runs": one.runs or ABSENT,
                "digest": _short(one.image_id),
                "days old": None if (days := self._days(one)) is None else f"{days:,.0f}",
            }
            for one in self.services
        ]

    def _days(self, one: Running) -> float | None:
        return None if one.image is None or one.image.made_at is None else (self.now - one.image.made_at) / _DAY_SECONDS

    def _word(self, one: Running) -> str:
        if not one.image_id:
            return ABSENT
        if one.runs != one.wanted:
            return one.runs
        if one.image is not None and one.image.id != one.image_id:
            return f"an older {one.runs} than the one that was pulled"
        return one.wanted


@dataclass(frozen=True)
class NewerImages:
    """Image to the digest that its registry has under its tag; `unknown` to why that is not known."""

    images: Mapping[str, Image]
    at_registry: Mapping[str, str]
    unknown: Mapping[str, str]

    def observation(self) -> Observation:
        """What each registry has is known; that it has another image is a concern."""
        known = dict.fromkeys(self.at_registry, "known")
        return Observation(
            known, known, concerns=self.newer(), no_concern="the newest of its tag", unknown=self.unknown_images()
        )

    def newer(self) -> dict[str, str]:
        """Images of which the registry has another one under the same tag."""
        return {
            name: f"{_short(digest)} can be pulled"
            for name, digest in self.at_registry.items()
            if not any(own.rpartition("@")[2] == digest for own in self.images[name].digests)
        }

    def unknown_images(self) -> dict[str, str]:
        """The registries that could not be asked, in a sentence, to what helps."""
        if self.images and not self.unknown:
            return {}
        name, why = next(iter(self.unknown.items()), ("", "no container runs an image of the compose files"))
        of = f" of {len(self.unknown)} images: {name}" if name else ""
        remedy = (
            "The container engine asks the registries: let it reach them, and log in where they want it (docker login)."
        )
        return {f"Whether there are newer images is not known{of}: {why}": remedy}

    def rows(self) -> list[dict[str, object]]:
        """One row per image, for the report."""
        newer = self.newer()
        return [
            {
                "image": name,
                "here": ", ".join(_short(digest.rpartition("@")[2]) for digest in image.digests) or "never pulled",
                "registry": _short(self.at_registry.get(name, "")) or "not known",
                "newer": None if name not in self.at_registry else "yes" if name in newer else "no",
            }
            for name, image in self.images.items()
        ] or [{"image": "none", "here": None, "registry": None, "newer": None}]


def _short(digest: str) -> str:
    """``sha256:0123456789ab``, as the engine's own lists shorten it."""
    kind, _, value = digest.rpartition(":")
    return f"{kind}:{value[:12]}".lstrip(":")
