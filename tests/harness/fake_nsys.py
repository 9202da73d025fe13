"""Stands in for nsys where there is no GPU: runs the program, copies an export.

The first argument, a folder, holds what nsys is to do: ``export.sqlite`` becomes the
export, ``help`` is what ``profile --help`` prints, ``qdstrm`` and ``nsys-rep`` say to
leave such a file and no export, and ``never`` not to record anything; then
``ranges.sqlite`` becomes the export of a recording of ranges alone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HELP = (
    "--trace --sample --cpuctxsw --cuda-graph-trace --export --force-overwrite "
    "--capture-range --capture-range-end --nvtx-capture"
)
faults = Path(sys.argv[1])
arguments = sys.argv[2:]
if arguments == ["--version"]:
    sys.stdout.write("NVIDIA Nsight Systems version 2025.3.1.90-253135822126v0\n")
    sys.exit(0)
if arguments == ["profile", "--help"]:
    help_file = faults / "help"
    sys.stdout.write(help_file.read_text() if help_file.exists() else HELP)
    sys.exit(1 if (faults / "broken").exists() else 0)

output = next(word for word in arguments if word.startswith("--output="))
stem = output.removeprefix("--output=").replace("%%", "%")
program = arguments[arguments.index(output) + 1 :]
environment = {**os.environ, "NSYS_PROFILING_SESSION_ID": "1"}
try:
    ended = subprocess.run(program, env=environment, check=False).returncode
except KeyboardInterrupt:  # nsys then ends the program and writes its report
    ended = 130
sys.stdout.write("Generating 'report.qdstrm'\n[1/1] [50%\r[1/1] [====100%]\n")
if "--trace=nvtx" in arguments and (faults / "ranges.sqlite").exists():
    shutil.copyfile(faults / "ranges.sqlite", f"{stem}.sqlite")
    sys.exit(ended)
if (faults / "never").exists():
    sys.exit(ended)
for suffix in ("qdstrm", "nsys-rep"):
    if (faults / suffix).exists():
        Path(f"{stem}.{suffix}").touch()
        sys.stderr.write("Importer error: libdw.so.1 cannot be loaded\n")
        sys.exit(1)
Path(f"{stem}.nsys-rep").touch()
shutil.copyfile(faults / "export.sqlite", f"{stem}.sqlite")
sys.exit(ended if ended >= 0 else 128 - ended)
