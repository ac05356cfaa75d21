"""The appearances that several panels share. Limits are the defaults of the pipeline file, which the checks use too."""

from __future__ import annotations

from cdcproof.monitoring.dashboards.model import Appearance, Colour, Level, State, Unit
from cdcproof.pipeline.model import Freshness, Thresholds

LIMITS = Thresholds()
FRESHNESS_SECONDS: float = Freshness.model_fields["target_seconds"].default
_HOUR = 3600.0
_MEBIBYTE = 2.0**20

PLAIN = Appearance(base=Colour.PLAIN)
NUMBER = Appearance(base=Colour.PLAIN, decimals=0)
WORKS = Appearance(
    base=Colour.BAD,
    levels=(Level(1, Colour.GOOD),),
    states=(State(1, "ANSWERS", Colour.GOOD), State(0, "DOES NOT ANSWER", Colour.BAD)),
)
CONNECTOR = Appearance(
    base=Colour.BAD,
    levels=(Level(1, Colour.GOOD),),
    states=(
        State(1, "RUNNING", Colour.GOOD),
        State(0, "NOT RUNNING", Colour.BAD),
        State(-1, "UNKNOWN", Colour.UNKNOWN),
    ),
    decimals=0,
)
COUNTED = Appearance(
    base=Colour.PLAIN, states=(State(0, "exact", Colour.PLAIN), State(1, "at least", Colour.NEAR)), decimals=0
)
TABLE_STATE = Appearance(
    base=Colour.BAD,
    levels=(Level(1, Colour.GOOD), Level(2, Colour.NEAR)),
    states=(
        State(1, "MATCH", Colour.GOOD),
        State(0, "MISMATCH", Colour.BAD),
        State(2, "OLD MATCH", Colour.NEAR),
        State(-1, "NEVER COMPARED", Colour.UNKNOWN),
    ),
)
NONE_IS_GOOD = Appearance(levels=(Level(0.5, Colour.BAD),), decimals=0)
"""A count of what must not happen. An increase is extrapolated, so that one event may count as 0.9."""
SHARE_OF_FAILURES = Appearance(unit=Unit.RATIO, levels=(Level(0.01, Colour.BAD),))
LAG_RECORDS = Appearance(
    levels=(Level(LIMITS.lag_records / 2, Colour.NEAR), Level(LIMITS.lag_records, Colour.BAD)), decimals=0
)
LAG_SECONDS = Appearance(
    unit=Unit.SECONDS, levels=(Level(LIMITS.lag_seconds / 5, Colour.NEAR), Level(LIMITS.lag_seconds, Colour.BAD))
)
FRESHNESS = Appearance(
    unit=Unit.SECONDS, levels=(Level(FRESHNESS_SECONDS / 2, Colour.NEAR), Level(FRESHNESS_SECONDS, Colour.BAD))
)
LOG_BYTES = Appearance(
    unit=Unit.BYTES,
    levels=(
        Level(LIMITS.slot_retained_mebibytes * _MEBIBYTE / 2, Colour.NEAR),
        Level(LIMITS.slot_retained_mebibytes * _MEBIBYTE, Colour.BAD),
    ),
)
HEADROOM = Appearance(
    unit=Unit.SECONDS,
    base=Colour.BAD,
    levels=(
        Level(LIMITS.capture_headroom_hours * _HOUR, Colour.NEAR),
        Level(2 * LIMITS.capture_headroom_hours * _HOUR, Colour.GOOD),
    ),
)
HEADROOM_BYTES = Appearance(
    unit=Unit.BYTES,
    base=Colour.BAD,
    levels=(Level(256 * _MEBIBYTE, Colour.NEAR), Level(1024 * _MEBIBYTE, Colour.GOOD)),
)
FILLING = Appearance(
    unit=Unit.RATIO,
    levels=(Level(LIMITS.disk_warn_percent / 100, Colour.NEAR), Level(LIMITS.disk_fail_percent / 100, Colour.BAD)),
)
THROUGHPUT = Appearance(unit=Unit.RECORDS_PER_SECOND, base=Colour.PLAIN)
EVENTS = Appearance(unit=Unit.PER_SECOND, base=Colour.PLAIN)
ERRORS = Appearance(unit=Unit.PER_SECOND, levels=(Level(0.5, Colour.BAD),))
BYTES = Appearance(unit=Unit.BYTES, base=Colour.PLAIN)
SECONDS = Appearance(unit=Unit.SECONDS, base=Colour.PLAIN)
REPORT_AGE = Appearance(
    unit=Unit.SECONDS,
    levels=(
        Level(LIMITS.report_age_hours * _HOUR / 2, Colour.NEAR),
        Level(LIMITS.report_age_hours * _HOUR, Colour.BAD),
    ),
)

OUTCOMES = (("success", Colour.GOOD), ("failure", Colour.BAD))
"""The colours of what ends in one of two ways."""
