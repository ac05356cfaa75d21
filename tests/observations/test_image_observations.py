"""What is said of the images that run, of those of the registries, and of known vulnerabilities."""

from __future__ import annotations

from cdcproof.clients.containers.engine import Image
from cdcproof.findings import Observation
from cdcproof.observations.images.advisories import Advisories, Audited
from cdcproof.observations.images.images import Images, NewerImages, Running
from cdcproof.observations.images.tags import NewerTags, Newest, is_version, newest

DAY = 86_400.0
NOW = 20_000 * DAY
ONE, OTHER, THIRD = (f"sha256:{letter * 64}" for letter in "abc")
SHORT_ONE, SHORT_OTHER, SHORT_THIRD = (f"sha256:{letter * 12}" for letter in "abc")


def image(digest: str = ONE, days: float | None = 10, *registry: str) -> Image:
    return Image(digest, tuple(f"x@{one}" for one in registry), None if days is None else NOW - days * DAY)


IMAGES = Images(
    (
        Running("same", "a:1", "a:1", ONE, image(days=180)),
        Running("older", "b:1", "b:1", OTHER, image(days=1_181)),
        Running("another", "c:2", "c:1", ONE, None),
        Running("stopped", "d:1", "", "", image(days=None)),
    ),
    NOW,
    180,
)


def test_each_container_must_run_the_image_of_the_compose_files_and_should_not_be_old() -> None:
    assert IMAGES.observation() == Observation(
        {"same": "a:1", "older": "an older b:1 than the one that was pulled", "another": "c:1", "stopped": "absent"},
        {"same": "a:1", "older": "b:1", "another": "c:2", "stopped": "d:1"},
        {
            "same": f"the container: {SHORT_ONE}, pulled: {SHORT_ONE}",
            "older": f"the container: {SHORT_OTHER}, pulled: {SHORT_ONE}",
            "another": f"the container: {SHORT_ONE}, pulled: none",
            "stopped": f"the container: , pulled: {SHORT_ONE}",
        },
        concerns={"older": "made 1,181 days ago"},
        no_concern="made lately",
    )


def test_the_report_has_a_row_for_each_service() -> None:
    assert IMAGES.rows() == [
        {"service": "same", "compose files": "a:1", "runs": "a:1", "digest": SHORT_ONE, "days old": "180"},
        {"service": "older", "compose files": "b:1", "runs": "b:1", "digest": SHORT_OTHER, "days old": "1,181"},
        {"service": "another", "compose files": "c:2", "runs": "c:1", "digest": SHORT_ONE, "days old": None},
        {"service": "stopped", "compose files": "d:1", "runs": "absent", "digest": "", "days old": None},
    ]


ASK = "The container engine asks the registries: let it reach them, and log in where they want it (docker login)."
NEWER = NewerImages(
    {
        "same:1": image(ONE, 1, THIRD, ONE),
        "behind:1": image(ONE, 1, OTHER),
        "built:1": image(ONE, 1),
        "unknown:1": image(ONE, 1, ONE),
    },
    {"same:1": ONE, "behind:1": THIRD, "built:1": OTHER},
    {"unknown:1": "no route", "more:1": "no login"},
)


def test_what_the_registries_have_is_known_and_newer_is_a_concern() -> None:
    known = {"same:1": "known", "behind:1": "known", "built:1": "known"}
    assert NEWER.observation() == Observation(
        known,
        known,
        concerns={"behind:1": f"{SHORT_THIRD} can be pulled", "built:1": f"{SHORT_OTHER} can be pulled"},
        no_concern="the newest of its tag",
        unknown={"Whether there are newer images is not known of 2 images: unknown:1: no route": ASK},
    )
    assert NewerImages({}, {}, {}).unknown_images() == {
        "Whether there are newer images is not known: no container runs an image of the compose files": ASK
    }
    assert NewerImages({"same:1": image()}, {"same:1": ONE}, {}).unknown_images() == {}


def test_the_report_has_a_row_for_each_image() -> None:
    assert NEWER.rows() == [
        {"image": "same:1", "here": f"{SHORT_THIRD}, {SHORT_ONE}", "registry": SHORT_ONE, "newer": "no"},
        {"image": "behind:1", "here": SHORT_OTHER, "registry": SHORT_THIRD, "newer": "yes"},
        {"image": "built:1", "here": "never pulled", "registry": SHORT_OTHER, "newer": "yes"},
        {"image": "unknown:1", "here": SHORT_ONE, "registry": "not known", "newer": None},
    ]
    assert NewerImages({}, {}, {}).rows() == [{"image": "none", "here": None, "registry": None, "newer": None}]


ADVISORIES = Advisories(
    (
        Audited("six", "1.16.0", "", ()),
        Audited("jinja2", "3.1.0", "", (("GHSA-1", "3.1.3"), ("GHSA-2", "3.1.4, 3.2.0"))),
        Audited("cdcproof", "0.1.0", "not on PyPI", ()),
        Audited("left-out", "1.0", "no answer", ()),
        Audited("also", "1.0", "no answer either", ()),
    )
)


def test_no_package_may_have_an_advisory_and_each_must_have_been_audited() -> None:
    assert ADVISORIES.observation() == Observation(
        {"six": "no known vulnerability", "jinja2": "GHSA-1, GHSA-2"},
        {"six": "no known vulnerability", "jinja2": "no known vulnerability"},
        {"jinja2": "mended in: GHSA-1: 3.1.3; GHSA-2: 3.1.4, 3.2.0"},
        unknown={
            "2 of 4 packages were not audited. The first: no answer": (
                "The advisory service is that of the package index itself, not of a mirror. "
                "Let this machine reach it, then run it again."
            )
        },
    )
    assert list(Advisories(()).unknown()) == ["0 of 0 packages were not audited."]
    own = Audited("CDCProof", "0.1.0", "not on PyPI", ())
    assert Advisories((own, Audited("six", "1", "", ()))).unknown() == {}


def test_the_report_has_a_row_for_each_package_with_an_advisory() -> None:
    assert ADVISORIES.rows() == [
        {"package": "jinja2 3.1.0", "advisories": "GHSA-1, GHSA-2"},
        {"package": "all", "advisories": "2 audited, 3 left out"},
    ]


TAGS = NewerTags(
    {"a": "15.4", "b": "16", "c": "latest", "d": "1", "e": "1", "f": "1"},
    {"a": Newest("15.14", "18.1"), "b": Newest("", "")},
    {"d": ("no route", "Let it reach them."), "e": ("no login", ""), "f": ("no answer", "Let it reach them.")},
)


def test_what_each_repository_has_is_known_and_newer_is_a_concern() -> None:
    known = dict.fromkeys("abcdef", "known")
    assert TAGS.observation() == Observation(
        known,
        known,
        concerns={"a": "15.14; of another major version: 18.1"},
        no_concern="the newest version",
        unknown={
            "Whether there are newer versions is not known. d: no route e: no login f: no answer": "Let it reach them."
        },
    )
    two = NewerTags({"d": "1"}, {}, {"d": ("x", "First."), "e": ("y", "Second.")})
    assert list(two.unknown_images().values()) == ["First.\nSecond."]
    assert NewerTags({}, {}, {}).unknown_images() == {
        "No container runs an image of the compose files.": "See monthly.1-images."
    }
    assert NewerTags({"a": "1"}, {}, {}).unknown_images() == {}


def test_the_report_has_a_row_for_each_image_and_its_newer_versions() -> None:
    assert TAGS.rows() == [
        {"image": "a", "newer versions": "15.14; of another major version: 18.1"},
        {"image": "b", "newer versions": "none"},
        {"image": "c", "newer versions": "latest is no version: see monthly.1-newer-images"},
        {"image": "d", "newer versions": "not known"},
        {"image": "e", "newer versions": "not known"},
        {"image": "f", "newer versions": "not known"},
    ]
    assert NewerTags({}, {}, {}).rows() == [{"image": "none", "newer versions": None}]


def test_the_newest_versions_are_named_once() -> None:
    assert str(Newest("18.1", "18.1")) == "18.1"
    assert str(Newest("", "18.1")) == "18.1"
    assert newest("15.4", ("15.5", "15.6")) == Newest("15.6", "15.6")


def test_a_number_of_six_digits_is_a_date_and_of_five_a_version() -> None:
    assert newest("99999", ("100000",)) == Newest("", "")
    assert newest("10000", ("10001",)) == Newest("", "10001")
    assert newest("100000", ("100001",)) == Newest("", "100001")
    assert is_version("sha256")
    assert not is_version("sha256-abcdef1")
