from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from cdcproof.clients.object_store.client import StoredObject
from cdcproof.findings import Observation
from cdcproof.observations.backups.uploads import FRESH, UPLOADED, Uploads, prefixes

NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)  # a Monday
TODAY = NOW.date()


def day(ago: int) -> str:
    return f"{TODAY - timedelta(days=ago):%Y/%m/%d}"


def stored(ago: int, name: str, size: int = 1000, hour: int = 2) -> StoredObject:
    at = datetime.combine(TODAY - timedelta(days=ago), datetime.min.time(), UTC) + timedelta(hours=hour)
    return StoredObject(f"{day(ago)}/{name}", size, at.timestamp())


def whole(ago: int, size: int = 1000) -> list[StoredObject]:
    """A backup of cdcproof's."""
    name = f"w_{TODAY - timedelta(days=ago):%Y%m%d}_020000"
    return [
        stored(ago, f"{name}/{part}", size if part == "t.dat" else 10)
        for part in ("t.dat", "SHA256SUMS", "manifest.json")
    ]


def uploads(objects: dict[int, list[StoredObject]]) -> Uploads:
    found = dict.fromkeys(prefixes(NOW.timestamp()), ())
    by_day = {TODAY - timedelta(days=ago): tuple(some) for ago, some in objects.items()}
    return Uploads("s3://cdc-backups", {**found, **by_day}, NOW.timestamp(), 26, 60)


def two_weeks(**changes: list[StoredObject]) -> Uploads:
    return uploads({**{ago: whole(ago) for ago in range(15)}, **{int(k[1:]): v for k, v in changes.items()}})


def wrong(found: Uploads) -> dict[str, str]:
    expected = found.expected()
    return {subject: word for subject, word in found.found().items() if word != expected[subject]}


def test_the_prefixes_are_the_runbooks() -> None:
    assert [*prefixes(NOW.timestamp()).values()][:2] == ["2026/11/30/", "2026/11/29/"]
    assert len(prefixes(NOW.timestamp())) == 15


def test_a_whole_backup_each_day_is_right() -> None:
    found = two_weeks()

    assert found.found() == found.expected()
    assert len(found.expected()) == 8
    assert found.concerns() == {}
    assert found.missing_days() == ()


def test_the_operators_own_files_are_right_too() -> None:
    files = {
        ago: [stored(ago, f"postgresql/w_{ago}_020000.sql.gz"), stored(ago, "sqlserver/w.bak")] for ago in range(15)
    }

    assert wrong(uploads(files)) == {}


def test_a_day_without_a_whole_backup_is_named() -> None:
    part = [one for one in whole(3) if "manifest" not in one.key]
    found = two_weeks(_2=[], _3=part, _4=[stored(4, "w.gz", 0)], _5=[stored(5, "folder/", 0)], _6=whole(6, 300))

    assert wrong(found) == {
        "2026-11-28": "nothing",
        "2026-11-27": "in part: w_20261127_020000 has no manifest.json",
        "2026-11-26": "empty objects",
        "2026-11-25": "nothing",
        "2026-11-24": "less than half of the week before",
    }
    assert len(found.missing_days()) == 5
    assert found.details()["2026-11-24"] == "320 B, the week before 1020 B"


def test_another_backup_that_is_whole_makes_the_day_right() -> None:
    part = [one for one in whole(3) if "manifest" not in one.key]
    again = [StoredObject(o.key.replace("_020000", "_090000"), o.size_bytes, o.changed_at) for o in whole(3)]

    assert wrong(two_weeks(_3=[*part, *again])) == {}


def test_two_backups_of_a_day_do_not_make_the_next_week_look_small() -> None:
    again = [
        StoredObject(o.key.replace("_020000", f"_0{n}0000"), o.size_bytes, o.changed_at)
        for n in (3, 4)
        for o in whole(9)
    ]
    found = two_weeks(_9=[*whole(9), *again])

    assert (wrong(found), found.concerns()) == ({}, {})


def test_the_newest_upload_must_be_of_last_night() -> None:
    found = two_weeks(_0=[])

    assert wrong(found) == {"newest upload": "29.0 h old"}
    assert uploads({}).found()["newest upload"] == "none in two weeks"
    assert two_weeks().found()["newest upload"] == FRESH
    assert UPLOADED in two_weeks().found().values()


def test_a_day_that_grew_and_a_kind_that_is_missing_are_warned_of() -> None:
    both = {ago: [*whole(ago), stored(ago, f"other_{ago}.gz")] for ago in range(15)}
    found = uploads({**both, 1: [*whole(1, 5000), stored(1, "other_1.gz")], 2: whole(2)})

    assert wrong(found) == {}
    assert found.concerns() == {
        "2026-11-29": "5.9 KiB, the week before 2.0 KiB",
        "2026-11-28": "no other_#.gz, which an earlier day has",
    }


def test_a_backup_in_part_is_named_beside_whole_ones_of_another_kind_and_beside_a_log() -> None:
    part = [one for one in whole(3) if "manifest" not in one.key]
    x = [StoredObject(o.key.replace("/w_", "/x_"), o.size_bytes, o.changed_at) for o in whole(3)]
    logs = [stored(3, "backup_20261127_020000.log"), stored(3, "w_20261127_020000/.lock")]

    for beside in (x, logs, [*x, *logs]):
        assert wrong(two_weeks(_3=[*part, *beside])) == {
            "2026-11-27": "in part: w_20261127_020000 has no manifest.json"
        }


def test_a_log_alone_is_no_backup() -> None:
    assert wrong(two_weeks(_3=[stored(3, "backup_20261127_020000.log")])) == {"2026-11-27": "nothing"}


def test_a_folder_of_another_job_has_no_manifest_and_needs_none_beside_other_files() -> None:
    theirs = {
        ago: [stored(ago, f"pg_{TODAY - timedelta(days=ago):%Y%m%d}_020000/base.tar.gz"), stored(ago, "w.bak")]
        for ago in range(15)
    }

    assert wrong(uploads(theirs)) == {}


def test_an_upload_from_the_future_is_not_of_last_night() -> None:
    found = two_weeks(_0=[StoredObject(f"{day(0)}/w.gz", 10, NOW.timestamp() + 61)])

    assert wrong(found) == {"newest upload": "from the future: a clock is wrong"}
    near = two_weeks(_0=[StoredObject(f"{day(0)}/w.gz", 10, NOW.timestamp() + 60)])
    assert wrong(near) == {}


def test_each_day_and_the_newest_upload_are_judged_beside_the_week_before() -> None:
    found = two_weeks(_1=whole(1, 300), _8=[])
    days = [f"2026-11-{29 - ago}" for ago in range(7)]

    assert found.observation() == Observation(
        {"newest upload": "fresh", **dict.fromkeys(days, "uploaded, whole")},
        {"newest upload": "fresh", **dict.fromkeys(days, "uploaded, whole")},
        {
            "2026-11-29": "320 B, the week before none",
            **dict.fromkeys(days[1:], "1020 B, the week before 1020 B"),
        },
        no_concern="as the week before",
    )
    assert found.rows()[:2] == [
        {"day": "2026-11-29", "objects": 3, "size": "320 B", "the week before": "none"},
        {"day": "2026-11-28", "objects": 3, "size": "1020 B", "the week before": "1020 B"},
    ]
    assert two_weeks(_1=[]).rows()[0] == {
        "day": "2026-11-29",
        "objects": 0,
        "size": "0 B",
        "the week before": "1020 B",
    }


def test_half_and_twice_as_much_are_as_before() -> None:
    assert wrong(two_weeks(_1=whole(1, 490), _8=whole(8, 1000))) == {}
    assert wrong(two_weeks(_1=whole(1, 489), _8=whole(8, 1000))) == {"2026-11-29": "less than half of the week before"}
    assert two_weeks(_1=whole(1, 2020)).concerns() == {}
    assert two_weeks(_1=whole(1, 2021)).concerns() == {"2026-11-29": "2.0 KiB, the week before 1020 B"}
    assert two_weeks(_1=whole(1, 9000), _8=[]).concerns() == {}, "of the week before nothing is known"
    assert two_weeks(_0=whole(0, 9000)).concerns() == {}, "today is not over"


def test_a_kind_is_missing_on_each_day_after_one_that_has_it() -> None:
    one, other = ([stored(3, f"{name}_3.gz", 10)] for name in ("b", "a"))
    found = two_weeks(_3=[*whole(3), *one, *other], _1=[])

    assert found.concerns() == {"2026-11-28": "no a_#.gz, b_#.gz, which an earlier day has"}


def test_an_upload_is_of_last_night_for_as_long_as_a_backup() -> None:
    def newest(hours: float) -> dict[str, str]:
        at = NOW.timestamp() - hours * 3600
        return wrong(
            uploads({**{ago: whole(ago) for ago in range(2, 15)}, 1: [StoredObject(f"{day(1)}/w.gz", 1020, at)]})
        )

    assert newest(26) == {}
    assert newest(26.1) == {"newest upload": "26.1 h old"}
    assert newest(26.005) == {"newest upload": "26.0 h old"}


def test_a_day_is_one_of_utc_whatever_the_clock_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")  # where it is the evening before
    time.tzset()
    try:
        assert next(iter(prefixes(NOW.timestamp()).values())) == "2026/11/30/"
        assert list(two_weeks().expected())[1] == "2026-11-29"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_of_several_backups_of_a_day_the_largest_counts() -> None:
    smaller = [
        StoredObject(o.key.replace("_020000", "_030000"), o.size_bytes // 10, o.changed_at) for o in whole(3, 1000)
    ]
    for several in ([*whole(3), *smaller], [*smaller, *whole(3)]):
        assert two_weeks(_3=several).details()["2026-11-27"] == "1020 B, the week before 1020 B"


def test_a_key_may_have_more_parts_and_the_mark_of_a_folder_is_no_backup() -> None:
    deep = [StoredObject(o.key.replace("t.dat", "pg/w/t.dat"), o.size_bytes, o.changed_at) for o in whole(3)]
    marks = [StoredObject(f"{day(3)}/", 0, NOW.timestamp()), stored(3, "w_20261127_020000/pg/", 0)]
    assert wrong(two_weeks(_3=[*marks, *deep])) == {}
    assert two_weeks(_3=[*marks, *deep]).concerns() == {}, "it is of the kind of the other days"
    assert wrong(two_weeks(_3=marks)) == {"2026-11-27": "nothing"}


def test_a_store_of_folders_alone_of_which_none_has_a_manifest_is_in_part() -> None:
    part = {ago: [one for one in whole(ago) if "manifest" not in one.key] for ago in range(15)}
    assert set(wrong(uploads(part)).values()) == {
        f"in part: w_202611{29 - ago}_020000 has no manifest.json" for ago in range(7)
    }


def test_days_that_were_not_looked_at_have_nothing() -> None:
    none = Uploads("s3://cdc-backups", {}, NOW.timestamp(), 26, 60)
    assert set(none.found().values()) == {"none in two weeks", "nothing"}
    assert none.concerns() == {}


def test_a_kind_stays_missing_until_it_is_there_again() -> None:
    other = [stored(4, "b_4.gz", 10)]
    found = two_weeks(_4=[*whole(4), *other], _0=[], _1=[], _2=whole(2), _3=whole(3))
    assert found.concerns() == dict.fromkeys(("2026-11-27", "2026-11-28"), "no b_#.gz, which an earlier day has")
    assert found.observation().concerns == found.concerns()
