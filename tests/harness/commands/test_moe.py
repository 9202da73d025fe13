import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.commands.moe import TOKENS, reported_studies
from dsprof.harness.errors import UsageError
from dsprof.harness.store import ProfileWriter, find_bundled_profile, load_profile
from tests.analysis.moe.made import moe_profile, pipeline_profile
from tests.conftest import Factory

FORCED = ("--gpu", "b200", "--local-experts", "32", "--routing", "forced-local")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["moe", *map(str, arguments)])


def plain(*arguments: str | Path) -> Any:  # noqa: ANN401 -- JSON
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    if isinstance(result.exception, UsageError):
        return str(result.exception)
    assert result.exit_code == 2, result.output  # click's own
    return result.output


@pytest.fixture
def recorded(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    tmp_path: Path,
) -> Path:
    profile = moe_profile(make_profile, make_measurement, make_timing)
    writer = ProfileWriter.create(tmp_path / "profile", profile)
    for row in profile.measurements:
        writer.append(row, {})
    return tmp_path / "profile"


def test_the_earlier_study_is_one_command() -> None:
    output = invoke(*FORCED).output
    for words in ("704.6 MFLOP", "278.0 KB", "1.410 GB", "T ~ 1,446 tokens"):
        assert words in output
    for least_us in ("176", "177", "178", "179", "208", "1,871", "2,209"):
        assert f"│ {least_us:>15} │" in output


def test_a_profile_has_its_measured_times(recorded: Path) -> None:
    output = invoke(recorded).output
    assert "Measured, sums of calls: all 256 experts, FP8, Toy GPU" in output
    assert "all 256 experts were on the GPU there, and 32 are here" in output
    assert "Crossover, expected, burst roof: T ~" in output


def test_the_model_is_shown_shared_and_whole_unless_a_size_is_asked_for() -> None:
    def local(*arguments: str) -> list[int]:
        found = plain("--gpu", "b200", *arguments)
        return [one["geometry"]["local_experts"] for one in found]

    assert local() == local("--dtype", "fp4") == [32, 256]
    assert local("--local-experts", "64") == [64]
    assert local("--experts", "64") == [64]


def test_the_json_is_unrounded(recorded: Path) -> None:
    (found,) = plain(recorded, "--local-experts", "256", "--tokens", "1,128")
    assert found["weight_bytes"] == 256 * 44_050_944
    assert found["why_not_measured"] is None
    assert {one["tokens"] for one in found["least"]} == {1, 128}
    one = found["measured"][0]
    assert (one["way"], one["tokens"], one["experts"]) == ("whole_moe", 1, 8)
    assert one["time_s"] == pytest.approx(141e-6)
    stages = [(stage["call"], stage["time_s"]) for stage in one["stages"]]
    assert stages == [
        ("gate topk", pytest.approx(10e-6)),
        ("whole_moe experts (fused)", pytest.approx(131e-6)),
    ]


def test_whole_pipelines_are_printed_and_their_launches_are_in_the_json(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_launch: Factory,
    tmp_path: Path,
) -> None:
    profile = pipeline_profile(make_profile, make_measurement, make_timing, make_launch)
    writer = ProfileWriter.create(tmp_path / "profile", profile)
    for row in profile.measurements:
        writer.append(row, {})
    writer.add_launches(profile.launches)
    output = invoke(tmp_path / "profile", "-o", tmp_path / "out").output
    for words in ("Whole pipelines, measured", "Stages of library_moe"):
        assert words in output
    assert (tmp_path / "out/figures/moe-256-of-256-stages.png").is_file()

    _, found = plain(tmp_path / "profile")
    assert found["speed_ratios"]["our_moe"]["1"] == 1.5
    one = found["measured"][0]
    assert (one["way"], one["timed_as"], one["experts"]) == (
        "library_moe",
        "one graph",
        8,
    )
    assert (one["error"], one["error_limit"]) == (0.002, 0.01)
    assert one["timing"]["sm_clock_mhz"] == 1980
    made = one["breakdown"]
    assert [launch["stage"] for launch in made["launches"]] == [
        "gate",
        "GEMM gate_up",
        "activation",
        "GEMM down",
    ]
    assert made["gaps_s"] == pytest.approx(5e-6)
    assert sum(made["shares"].values()) == pytest.approx(1)
    assert [rate["stage"] for rate in made["gemms"]] == ["GEMM gate_up", "GEMM down"]
    assert found["measured"][1]["breakdown"] is None


def test_a_crossover_that_never_comes_is_null() -> None:
    never = ("--gpu", "b200", "--intermediate", "128", "--local-experts", "1")
    (found,) = plain(*never, "--routing", "expected")
    assert found["crossover_tokens"]["expected"]["spec"] is None


def test_every_known_gpu_and_format_is_answered_or_refused() -> None:
    for gpu in ("b200", "gb200", "h100-sxm", "a100-sxm"):
        result = invoke("--gpu", gpu, "--dtype", "bf16", "--tokens", "1,64")
        assert result.exit_code == 0, result.output
    assert "has no fp8_tensor datapath" in refused("--gpu", "a100-sxm")


def test_page_and_charts_are_written_and_not_overwritten(tmp_path: Path) -> None:
    result = invoke(*FORCED, "--tokens", "1,901", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "moe.md").read_text()
    assert "analytic only" in page
    command = (
        "dsprof moe --gpu b200 --local-experts 32 --tokens 1,901 "
        "--routing forced-local --output . --force"
    )
    assert command in page
    chart = tmp_path / "figures" / "moe-32-of-256.png"
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert "exists. Overwrite it with --force." in refused(*FORCED, "-o", tmp_path)
    assert invoke(*FORCED, "-o", tmp_path, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--top-k", "300"), "Top-k 300 exceeds the 256 experts"),
        (("--local-experts", "512"), "512 of 256 experts cannot be local"),
        (("--hidden", "7000"), "hidden size 7000 is no multiple of the block size 128"),
        (("--intermediate", "2000"), "intermediate size 2000 is no multiple"),
        (("--groups", "7"), "7 groups do not divide 256 experts"),
        (("--tokens", "0"), "'0' in '0' is not a whole number of at least 1"),
        (("--tokens", "1,10000000"), "T = 10,000,000 does not fit"),
        (("--tokens", "9" * 400), "more than 1,152,921,504,606,846,976"),
        (("--hidden", "128" + "0" * 400), "Give at most 2147483647"),
        (("--top-k", "0"), "0 is not in the range x>=1"),
        (("--dtype", "bf16", "--block-size", "128"), "BF16 has no scales"),
        (("--dtype", "int8"), "'int8' is not one of"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    assert words in refused("--gpu", "b200", *arguments, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_geometry_is_refused_before_the_profile_is_read() -> None:
    assert "exceeds the 256 experts" in refused("no/such/profile", "--top-k", "300")


def test_a_profile_and_a_gpu_exclude_each_other(recorded: Path) -> None:
    assert "exclude each other" in refused(recorded, "--gpu", "b200")


def test_the_tokens_of_the_earlier_study_are_the_default() -> None:
    found = plain("--gpu", "b200", "--local-experts", "32")[0]
    asked = {one["tokens"] for one in found["least"]}
    assert asked == set(TOKENS)


def test_a_report_has_the_models_experts_where_they_were_timed(
    make_profile: Factory,
) -> None:
    studies = reported_studies(load_profile(find_bundled_profile()))
    assert [study.geometry.local_experts for study in studies] == [32, 256]
    assert reported_studies(make_profile(measurements=())) == []
