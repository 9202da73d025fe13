"""What a timeline of `dsprof time` shows, recorded with nsys on a real GPU."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dsprof.harness.store import load_profile
from dsprof.harness.worker_process import worker_environment

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.mark.skipif(shutil.which("nsys") is None, reason="nsys is not on PATH")
def test_every_point_that_ran_is_a_range_of_the_dsprof_domain(tmp_path: Path) -> None:
    command = [
        "nsys", "profile", "--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none",
        "--export=sqlite", f"--output={tmp_path / 'trace'}",
        sys.executable, "-P", "-m", "dsprof.harness.cli", "time",
        "--kernels", "rmsnorm,dsv3_router_gemm", "--batch-sizes", "1,32",
        "--seq-lens", "128", "--replays", "5", "-o", str(tmp_path / "run"),
    ]  # fmt: skip
    subprocess.run(command, check=True, env=worker_environment())
    profile = load_profile(tmp_path / "run")
    ran = {row.point.label for row in profile.measurements if row.warm is not None}
    query = """
        SELECT COALESCE(range.text, strings.value)
        FROM NVTX_EVENTS AS range
        LEFT JOIN StringIds AS strings ON strings.id = range.textId
        JOIN NVTX_EVENTS AS domain
          ON domain.eventType = 75 AND domain.domainId = range.domainId
          AND domain.globalTid >> 24 = range.globalTid >> 24
        WHERE range.eventType = 60 AND domain.text = 'dsprof'
    """  # eventType 60: start/end range; 75: a domain's name
    with closing(sqlite3.connect(tmp_path / "trace.sqlite")) as database:
        shown = {label for (label,) in database.execute(query)}
    assert len(ran) == 3 * 4 + 1
    assert shown == ran
