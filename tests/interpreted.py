"""Runs device code in Triton's interpreter, in a process of its own.

Triton reads TRITON_INTERPRET once, when it is imported, and compiles for a GPU in the
tests' own process.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def interpret(module: str, *arguments: str | Path, given: str = "") -> str:
    """Run a module of the tests, with ``given`` as its input; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
