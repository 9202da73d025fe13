"""Stands in for ncu where there is no GPU: runs the program, reports what it did.

The report is a JSON list of the labels that the program's journal calls done, two
launches each. The first argument, a folder, holds what ncu is to go wrong with: a
file ``log`` with what it prints, ``drop`` with labels that the report leaves out of
a process with several points, ``refuse`` if it is not to run the program at all.
"""

import json
import subprocess
import sys
from pathlib import Path

faults = Path(sys.argv[1])
arguments = sys.argv[2:]
report = Path(arguments[arguments.index("--export") + 1])
program = arguments[arguments.index("--export") + 2 :]
journal = Path(program[-1])

if (faults / "log").exists():
    sys.stdout.write((faults / "log").read_text())
if (faults / "refuse").exists():
    sys.exit(1)
ended = subprocess.run(program, check=False).returncode
entries = [json.loads(line) for line in journal.read_text().splitlines()]
labels = [entry["label"] for entry in entries if entry["event"] == "done"]
points = {entry["label"] for entry in entries}
if (faults / "drop").exists() and len(points) > 1:
    dropped = (faults / "drop").read_text().split()
    labels = [label for label in labels if label not in dropped]
launches = [label for label in labels for _ in range(2)]
for index, _ in enumerate(launches):
    sys.stdout.write(f'==PROF== Profiling "k" - {index}: 0%....100% - 11 passes\n')
if launches:
    report.write_text(json.dumps(launches))
sys.exit(1 if ended else 0)
