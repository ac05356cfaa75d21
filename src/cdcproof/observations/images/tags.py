"""Which tags of an image are newer versions than the one that runs. Pure.

No registry says which tag follows which. Tags of one form are compared by their numbers, from left to right: the form is the tag
with each number left out, so ``15.4-alpine3.18`` is compared with ``16.1-alpine3.20`` and neither with ``16`` nor with ``16.1``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cdcproof.findings import Observation

LATEST = "latest"
_NUMBER = re.compile(r"\d+")
_HASH = re.compile(r"(?:sha(?:256)?-?)?(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,64}")
_DATE_DIGITS = 6
"""A number of so many digits is a date or a build's number; no version comes before it."""


@dataclass(frozen=True)
class Newest:
    """The newest tag of the same major version, and the newest of all; empty where none is newer than the one that runs."""

    of_major: str
    of_all: str

    def __str__(self) -> str:
        if self.of_major in ("", self.of_all):
            return self.of_all
        return f"{self.of_major}; of another major version: {self.of_all}"


def is_version(tag: str) -> bool:
    """Whether tags can be compared with it by number."""
    return bool(_NUMBER.search(tag)) and not _HASH.fullmatch(tag)


def newest(tag: str, tags: Collection[str]) -> Newest:
    """Of the tags of its form. Of equal numbers (``1.02``, ``1.2``) neither is newer."""
    own = _numbers(tag)
    kin = sorted(
        (_numbers(one), one) for one in tags if _form(one) == _form(tag) and _magnitudes(one) == _magnitudes(tag)
    )
    newer = [(numbers, one) for numbers, one in kin if numbers > own]
    of_major = [one for numbers, one in newer if numbers[0] == own[0]]
    return Newest(of_major[-1] if of_major else "", newer[-1][1] if newer else "")


@dataclass(frozen=True)
class NewerTags:
    """Image to the tag that runs, and to what its repository has; `unknown` to why that is not known, and what helps."""

    running: Mapping[str, str]
    found: Mapping[str, Newest]
    unknown: Mapping[str, tuple[str, str]]

    def observation(self) -> Observation:
        """What each repository has is known; that it has a newer version is a concern."""
        known = dict.fromkeys(self.running, "known")
        return Observation(
            known, known, concerns=self.newer(), no_concern="the newest version", unknown=self.unknown_images()
        )

    def newer(self) -> dict[str, str]:
        """Images of which there is a newer version."""
        return {image: str(newest) for image, newest in self.found.items() if newest.of_all}

    def unknown_images(self) -> dict[str, str]:
        """The images of which it is not known, by name in a sentence, to what helps."""
        if not self.running:
            return {"No container runs an image of the compose files.": "See monthly.1-images."}
        reasons = " ".join(f"{image}: {why}" for image, (why, _) in self.unknown.items())
        remedies = dict.fromkeys(remedy for _, remedy in self.unknown.values() if remedy)
        return {f"Whether there are newer versions is not known. {reasons}": "\n".join(remedies)} if reasons else {}

    def rows(self) -> list[dict[str, object]]:
        """One row per image, for the report."""
        return [{"image": image, "newer versions": self._word(image)} for image in self.running] or [
            {"image": "none", "newer versions": None}
        ]

    def _word(self, image: str) -> str:
        if image in self.unknown:
            return "not known"
        if image not in self.found:
            return f"{LATEST} is no version: see monthly.1-newer-images"
        return str(self.found[image]) or "none"


def _form(tag: str) -> str:
    return _NUMBER.sub("#", tag)


def _numbers(tag: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBER.findall(tag))


def _magnitudes(tag: str) -> tuple[bool, ...]:
    """Which of its numbers are dates: ``20231120`` is no version after ``12``."""
    return tuple(len(number) >= _DATE_DIGITS for number in _NUMBER.findall(tag))
