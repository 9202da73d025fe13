from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.harness.commands.watched_run import run_watched
from dsprof.harness.records import Status
from tests.harness.test_trace_run import machine_with, traced_request


@pytest.mark.parametrize("quiet", [False, True])
def test_what_has_no_launches_is_printed_with_one_line_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, quiet: bool
) -> None:
    request = traced_request(tmp_path / "run")
    request = replace(request, points=request.planned[:2])
    profile = run_watched(request, quiet=quiet, machine=machine_with("blind"))
    assert [row.status for row in profile.measurements] == [Status.OK] * 2
    said = " ".join(capsys.readouterr().err.split())
    if quiet:
        assert said == ""
    else:
        assert said.startswith(
            "double/small/decode/B=1,S=1: no launches: torch.profiler recorded no"
        )
        assert said.count("recorded no launch") == 1
        assert said.endswith("2 points have no launches.")
