import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.report.markdown import Code, Table
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.ceiling_load import PatternUnsupportedError, WrongResultError
from dsprof.harness.cli import cli
from dsprof.harness.commands.ceilings import (
    aligned,
    exit_code,
    measure_each,
    merged,
    require_same_gpu,
    result,
)
from dsprof.harness.device import device_spec
from dsprof.harness.errors import (
    DsprofError,
    EnvironmentLacksError,
    ExitCode,
    ProfileError,
    UsageError,
)
from dsprof.harness.store import ProfileWriter, load_profile
from tests.analysis.test_roofs import make_ceiling
from tests.conftest import Factory


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["ceilings", *arguments])


def measure(pattern: Pattern) -> tuple[Ceiling, ...]:
    """Both durations of everything but FP8, which is missing, and FP32, which fails."""
    if pattern is Pattern.FP8_DENSE:
        raise PatternUnsupportedError("FP8 needs compute capability 8.9.")
    if pattern is Pattern.FP32:
        raise WrongResultError("3 of 4 results are wrong.")
    return tuple(make_ceiling(pattern, duration=duration) for duration in Duration)


def test_without_a_gpu_it_says_what_is_missing_and_exits_with_3() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    outcome = invoke("--quick")
    assert isinstance(outcome.exception, EnvironmentLacksError)
    assert outcome.exception.exit_code == ExitCode.ENVIRONMENT
    assert "sees no CUDA device" in str(outcome.exception)


def test_it_stores_only_into_a_profile_that_exists(tmp_path: Path) -> None:
    outcome = invoke("-o", str(tmp_path / "none"))
    assert isinstance(outcome.exception, ProfileError)
    assert "Make one with: dsprof time --output" in str(outcome.exception)


def test_an_unknown_pattern_names_the_known_ones() -> None:
    outcome = invoke("--patterns", "hbm")
    assert outcome.exit_code == ExitCode.USAGE
    assert "No 'hbm'. Known: hbm_read, hbm_write" in " ".join(outcome.output.split())


def test_each_pattern_is_stored_when_it_is_measured(
    tmp_path: Path, make_profile: Factory
) -> None:
    path = tmp_path / "run"
    writer = ProfileWriter.create(path, make_profile(measurements=()))
    stored: list[int] = []

    def watched(pattern: Pattern) -> tuple[Ceiling, ...]:
        stored.append(len(load_profile(path).ceilings))
        return measure(pattern)

    found, missing = measure_each(tuple(Pattern)[-4:], watched, writer)
    assert stored == [0, 2, 4, 4]
    assert load_profile(path).ceilings == found
    assert [c.pattern for c in found[::2]] == [Pattern.L2_READ, Pattern.BF16_DENSE]
    assert list(missing) == [Pattern.FP8_DENSE, Pattern.FP32]


def test_a_new_measurement_replaces_its_own_and_leaves_the_others() -> None:
    before = [make_ceiling(Pattern.HBM_READ, duration=d) for d in Duration]
    before.append(make_ceiling(Pattern.FP32))
    fresh = make_ceiling(Pattern.HBM_READ, value=2e12)
    assert merged(before, [fresh]) == (*before[1:], fresh)


@pytest.mark.parametrize(
    ("patterns", "code"),
    [
        ([Pattern.HBM_READ], ExitCode.OK),
        ([Pattern.HBM_READ, Pattern.FP8_DENSE], ExitCode.OK),
        ([Pattern.FP8_DENSE], ExitCode.ENVIRONMENT),
        ([Pattern.HBM_READ, Pattern.FP32], ExitCode.FINDING),
        ([Pattern.FP32, Pattern.FP8_DENSE], ExitCode.FINDING),
    ],
)
def test_a_wrong_result_is_a_finding_and_a_missing_unit_is_none(
    patterns: list[Pattern], code: ExitCode
) -> None:
    assert exit_code(*measure_each(patterns, measure, None)) is code


def test_json_has_every_ceiling_and_every_reason() -> None:
    found, missing = measure_each(list(Pattern), measure, None)
    printed = json.loads(json.dumps(result("NVIDIA H200", found, missing)))
    assert printed["gpu"] == "NVIDIA H200"
    assert len(printed["ceilings"]) == 2 * (len(Pattern) - 2)
    assert printed["ceilings"][0]["pattern"] == "hbm_read"
    assert printed["missing"]["fp32"] == "3 of 4 results are wrong."


@pytest.mark.parametrize(
    ("recorded", "device", "is_refused"),
    [
        ("NVIDIA H200", "h200-sxm", False),
        ("NVIDIA H200 NVL", "h200-sxm", True),
        ("NVIDIA H100 80GB HBM3", "h200-sxm", True),
        (None, "h200-sxm", False),
        (None, "h100-sxm", True),
    ],
)
def test_a_profile_of_another_gpu_is_refused(
    make_profile: Factory, recorded: str | None, device: str, *, is_refused: bool
) -> None:
    profile = make_profile(
        environment={"gpu": recorded}, device=device_spec(device), measurements=()
    )
    error: DsprofError | None = None
    try:
        require_same_gpu(Path("run"), profile, "NVIDIA H200", (9, 0))
    except UsageError as refusal:
        error = refusal
    assert (error is not None) == is_refused
    if error is not None:
        assert "this is NVIDIA H200. Measure" in str(error)


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    table = Table(headings=("Name", ">Value"), rows=[(Code("a"), "1,000,000")])
    assert aligned(table) == ["Name      Value", "a     1,000,000"]
