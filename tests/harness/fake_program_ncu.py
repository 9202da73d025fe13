"""Stands in for ncu over somebody's program: runs it, and copies a report.

The first argument, a folder, holds ``log``, what ncu prints beside the program, and
``report-1`` and ``report-2``, the reports of the first and the second run; without
one that run has none. Command lines are added to ``calls``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

faults = Path(sys.argv[1])
arguments = sys.argv[2:]
if arguments == ["--version"]:
    sys.stdout.write("NVIDIA (R) Nsight Compute\nVersion 2025.3.1.0 (build 36398880)\n")
    sys.exit(0)
with (faults / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\n")
at = arguments.index("--export") + 1
report, program = Path(arguments[at]), arguments[at + 1 :]
if (faults / "log").exists():
    sys.stdout.write((faults / "log").read_text())
environment = {**os.environ, "NV_COMPUTE_PROFILER_PERFWORKS_DIR": "/tmp"}  # noqa: S108
sys.stdout.flush()
try:
    ended = subprocess.run(program, check=False, env=environment).returncode
except KeyboardInterrupt:
    sys.stdout.write("==PROF== Trying to shutdown target application\n")
    ended = 130
prepared = faults / f"report-{report.stem[-1]}"
if prepared.exists():
    shutil.copyfile(prepared, report)
    sys.stdout.write('==PROF== Profiling "k" - 0: 0%....100% - 11 passes\n')
if ended:
    sys.stdout.write(f"==ERROR== The application returned an error code ({ended}).\n")
sys.exit(1 if ended else 0)
