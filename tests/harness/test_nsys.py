import os
import sys
from pathlib import Path

import pytest

from dsprof.harness.errors import DsprofError, EnvironmentLacksError
from dsprof.harness.nsys import NsysRequest, find_export, find_nsys, run_nsys

FAKE_NSYS = Path(__file__).with_name("fake_nsys.py")
OK = (sys.executable, "-c", "print('fine')")


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    folder = tmp_path / "faults"
    folder.mkdir()
    (folder / "export.sqlite").write_bytes(b"SQLite format 3\0")
    return folder


@pytest.fixture
def nsys(tmp_path: Path, faults: Path) -> str:
    script = tmp_path / "bin" / "nsys"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_NSYS}" "{faults}" "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


def asked(tmp_path: Path, nsys: str = "nsys", **changes: object) -> NsysRequest:
    fields: dict[str, object] = {
        "program": OK,
        "stem": tmp_path / "out" / "first",
        "limit_s": 30.0,
        "nsys": nsys,
    }
    return NsysRequest(**{**fields, **changes})  # type: ignore[arg-type]


def export_of(request: NsysRequest) -> Path:
    return find_export(request, run_nsys(request, os.environ))


def test_a_gate_is_one_range_in_any_domain(tmp_path: Path) -> None:
    command = asked(tmp_path, gate="decode").command
    assert "--nvtx-capture=decode@*" in command
    assert "--capture-range-end=stop" in command
    assert command[-3:] == list(OK)


def test_without_a_gate_the_whole_program_is_recorded(tmp_path: Path) -> None:
    command = asked(tmp_path).command
    assert not [word for word in command if "capture" in word]
    assert "--cuda-graph-trace=node" in command
    assert {"--sample=none", "--cpuctxsw=none", "--export=sqlite"} <= set(command)


def test_a_percent_sign_in_the_path_is_no_placeholder(tmp_path: Path) -> None:
    command = asked(tmp_path, stem=Path("a%p/b")).command
    assert "--output=a%%p/b" in command


def test_the_export_is_found_and_texts_need_not_be_registered(
    tmp_path: Path, nsys: str
) -> None:
    code = "import os; print(os.environ['NSYS_NVTX_PROFILER_REGISTER_ONLY'])"
    request = asked(tmp_path, nsys, program=(sys.executable, "-c", code))
    assert export_of(request) == tmp_path / "out" / "first.sqlite"
    assert (tmp_path / "out" / "first.out").read_text().startswith("0\n")


def test_nsys_is_found_on_path(nsys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_nsys(f"/nowhere:{Path(nsys).parent}") == nsys
    monkeypatch.chdir(Path(nsys).parent)
    for here in ("", ".", ":", "."):
        with pytest.raises(EnvironmentLacksError, match="nsys is not on PATH"):
            find_nsys(here)


def test_without_nsys_the_torch_profiler_is_offered(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacksError, match="--timeline torch"):
        find_nsys(str(tmp_path))


def test_an_nsys_that_lacks_an_option_is_too_old(nsys: str, faults: Path) -> None:
    (faults / "help").write_text("--trace --sample --cpuctxsw --export --capture-range")
    with pytest.raises(EnvironmentLacksError, match="too old") as refused:
        find_nsys(str(Path(nsys).parent))
    assert "--cuda-graph-trace" in str(refused.value)
    assert "--capture-range-end" in str(refused.value)


def test_an_nsys_that_does_not_work_says_why(nsys: str, faults: Path) -> None:
    (faults / "broken").touch()
    (faults / "help").write_text("cannot open libdw.so.1")
    with pytest.raises(EnvironmentLacksError, match=r"does not work: .*libdw"):
        find_nsys(str(Path(nsys).parent))


def test_a_range_that_never_begins_leaves_nothing_and_the_way_out(
    tmp_path: Path, nsys: str, faults: Path
) -> None:
    (faults / "never").touch()
    with pytest.raises(DsprofError, match="no NVTX range 'decode' began") as refused:
        export_of(asked(tmp_path, nsys, gate="decode"))
    assert "without --range" in str(refused.value)


def test_a_program_that_fails_before_its_range_is_named_with_its_last_words(
    tmp_path: Path, nsys: str, faults: Path
) -> None:
    (faults / "never").touch()
    program = (sys.executable, "-c", "import sys; sys.exit('no weights')")
    with pytest.raises(DsprofError, match="exit status 1: no weights") as refused:
        export_of(asked(tmp_path, nsys, gate="decode", program=program))
    assert "no NVTX range 'decode' began" in str(refused.value)


def test_a_program_that_fails_after_its_range_keeps_its_recording(
    tmp_path: Path, nsys: str
) -> None:
    program = (sys.executable, "-c", "import sys; sys.exit(3)")
    request = asked(tmp_path, nsys, gate="decode", program=program)
    run = run_nsys(request, os.environ)
    assert run.exit_status == 3
    assert find_export(request, run).exists()


def test_a_program_that_hangs_is_stopped_and_nsys_still_exports(
    tmp_path: Path, nsys: str
) -> None:
    program = (sys.executable, "-c", "import time; time.sleep(60)")
    request = asked(tmp_path, nsys, program=program, limit_s=1.5)
    run = run_nsys(request, os.environ)
    assert run.timed_out
    assert find_export(request, run).exists()


def test_a_raw_recording_that_is_left_behind_can_be_converted(
    tmp_path: Path, nsys: str, faults: Path
) -> None:
    (faults / "qdstrm").touch()
    with pytest.raises(DsprofError, match=r"QdstrmImporter -i .*first\.qdstrm") as left:
        export_of(asked(tmp_path, nsys))
    assert "libdw.so.1 cannot be loaded" in str(left.value)


def test_a_report_without_an_export_can_be_exported(
    tmp_path: Path, nsys: str, faults: Path
) -> None:
    (faults / "nsys-rep").touch()
    with pytest.raises(DsprofError, match="nsys export --type sqlite"):
        export_of(asked(tmp_path, nsys))


def test_an_nsys_that_leaves_nothing_is_quoted(
    tmp_path: Path, nsys: str, faults: Path
) -> None:
    (faults / "never").touch()
    with pytest.raises(DsprofError, match="ended and left no report"):
        export_of(asked(tmp_path, nsys))
