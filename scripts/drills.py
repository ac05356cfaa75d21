"""Inject every fault of the table into a running pipeline, and record how long each took to be seen: `make drills`.

Runs one test after the other, so that nothing but the fault takes time. Written is what passed; the rest keeps its last record.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cdcproof.monitoring.catalogue import BY_STEP  # noqa: E402
from tests.drills import detections  # noqa: E402  found in the checkout only
from tests.drills.catalogue import FAULTS, Shown  # noqa: E402


def main() -> int:
    nodes = dict.fromkeys(f"tests/{f.test}" for f in FAULTS if f.shown is Shown.PIPELINE and f.check in BY_STEP)
    before = os.getloadavg()[1]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "detections"
        lines.touch()
        seed = os.environ.get("CDCPROOF_DRILLS_SEED") or str(random.SystemRandom().randrange(10**6))
        print(
            f"Pairs of faults are drawn with the seed {seed}: CDCPROOF_DRILLS_SEED={seed} draws them again", flush=True
        )
        environment = {**os.environ, detections.VARIABLE: str(lines), "CDCPROOF_DRILLS": "1"}
        environment["CDCPROOF_DRILLS_SEED"] = seed
        drills = [sys.executable, "-m", "pytest", *nodes, "tests/drills", "-m", "not drill"]
        done = subprocess.run(drills, cwd=ROOT, env=environment, check=False)
        seen = detections.slowest(lines.read_text().splitlines())
    listed = {test: {fault.check for fault in FAULTS if fault.test == test} for test in seen}
    seen = {test: {s: t for s, t in steps.items() if s in listed[test]} for test, steps in seen.items() if listed[test]}
    record = json.loads(detections.RECORD.read_text()) if detections.RECORD.exists() else {"seconds": {}}
    machine = f"{os.cpu_count()} cores, load {before:.1f} before and {os.getloadavg()[1]:.1f} after"
    record["measured"] = {"when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine}
    record["seconds"] = dict(sorted((record["seconds"] | seen).items()))
    detections.RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print("What was measured is in tests/drills/detections.json. Now: make generate")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
