"""Which tag of an image is a newer version."""

from __future__ import annotations

import pytest

from cdcproof.observations.images.tags import is_version, newest

POSTGRES = ("9.6.24", "15.4", "15.14", "16.1", "18.1", "18rc1", "15", "16", "18", "20231120", "latest", "alpine", "15.4-alpine3.18",
            "15.5-alpine3.19", "16.10-alpine3.20", "16.1-bookworm")  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "tags", "of_major", "of_all"),
    [
        ("15.4", POSTGRES, "15.14", "18.1"),
        ("15", POSTGRES, "", "18"),
        ("18.1", POSTGRES, "", ""),
        ("15.4-alpine3.18", POSTGRES, "15.5-alpine3.19", "16.10-alpine3.20"),
        ("16.1-bookworm", POSTGRES, "", ""),
        ("15.4", (), "", ""),
        ("2.4.0.Final", ("2.4.0.Final", "2.4.2.Final", "3.0.0.Alpha1", "3.0.0.Final"), "2.4.2.Final", "3.0.0.Final"),
        ("v1.9.0", ("v1.10.0", "1.11.0", "v1.9.0-rc1"), "v1.10.0", "v1.10.0"),
        ("2022-latest", ("2019-latest", "2025-latest", "latest"), "", "2025-latest"),
        ("2022-CU9-ubuntu-20.04", ("2022-CU10-ubuntu-22.04",), "2022-CU10-ubuntu-22.04", "2022-CU10-ubuntu-22.04"),
        ("bookworm-20231120", ("bookworm-20240101", "trixie-20250101"), "", "bookworm-20240101"),
        ("22.04", ("22.4", "22.10"), "22.10", "22.10"),
        ("7.5.0", ("7.5.0-1", "7.05.0"), "", ""),
    ],
)
def test_tags_of_one_form_are_compared_by_their_numbers(
    tag: str, tags: tuple[str, ...], of_major: str, of_all: str
) -> None:
    found = newest(tag, tags)

    assert (found.of_major, found.of_all) == (of_major, of_all)


@pytest.mark.parametrize(
    ("tag", "is_one"),
    [
        ("15", True),
        ("2.4.0.Final", True),
        ("2022-latest", True),
        ("20231120", True),
        ("latest", False),
        ("bookworm", False),
        ("", False),
        ("3f2a1b9", False),
        ("sha-3f2a1b9", False),
        ("0" * 20 + "a" * 20, False),
    ],
)
def test_what_is_a_version(tag: str, is_one: bool) -> None:
    assert is_version(tag) is is_one
