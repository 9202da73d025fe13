"""The capture worker on the CPU: the real loop and journal, toy kernels."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch  # noqa: F401 -- so that no point's time limit pays for the import

from dsprof.harness.capture_worker import CapturePlan, capture_points
from dsprof.harness.plain import from_plain
from tests.harness.toy import KERNELS

if __name__ == "__main__":
    plan_path, journal_path = map(Path, sys.argv[1:])
    plan = from_plain(CapturePlan, json.loads(plan_path.read_text()))
    with journal_path.open("a") as journal:
        capture_points(plan, journal, device="cpu", load=KERNELS.__getitem__)
