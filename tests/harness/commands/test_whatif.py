import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.whatif.target_file import EXAMPLE_TOML
from dsprof.harness.cli import cli
from dsprof.harness.errors import UsageError
from dsprof.harness.store import ProfileWriter
from tests.analysis.whatif.recorded import norms_profile
from tests.conftest import Factory


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["whatif", *map(str, arguments)])


def plain(*arguments: str | Path) -> Any:  # noqa: ANN401 -- JSON
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str | Path) -> str:
    error = invoke(*arguments).exception
    assert isinstance(error, UsageError), error
    return str(error)


@pytest.fixture
def recorded(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    tmp_path: Path,
) -> Path:
    profile = norms_profile(make_profile, make_measurement, make_timing)
    writer = ProfileWriter.create(tmp_path / "profile", profile)
    for row in profile.measurements:
        writer.append(row, {})
    return tmp_path / "profile"


def test_without_a_target_every_known_gpu_has_a_line(recorded: Path) -> None:
    result = invoke(recorded)
    assert result.exit_code == 0, result.output
    assert "Toy GPU on the known GPUs: decode B=1, as-served, cold" in result.output
    for name in ("NVIDIA HGX B200", "NVIDIA A100 SXM 80GB"):
        assert f"│ {name} " in result.output
    assert "Left-out error, cold" in result.output


def test_with_a_target_every_call_has_a_line_and_the_sums_follow(
    recorded: Path,
) -> None:
    result = invoke(recorded, "--target", "b200", "--batch-size", "128")
    assert "Toy GPU on NVIDIA HGX B200: decode B=128" in result.output
    assert "post_attention_layernorm" in result.output
    assert "whole model (us)" in result.output
    assert "~ On-chip bandwidth of NVIDIA HGX B200: as Toy GPU" in result.output
    assert "≥ is a lower bound. Without a time: the 3 dense layers" in result.output


def test_the_values_are_there_as_json(recorded: Path) -> None:
    found = plain(recorded, "--target", "b200", "--cache", "warm", "--batch-size", "4")
    assert (found["size"], found["cache"]) == ("decode B=4", "warm")
    (target,) = found["targets"]
    assert target["target"]["hbm_bytes_per_s"] == 8e12
    # Two calls of 2 us and 114,688 bytes at 4 TB/s.
    assert target["layer"]["measured_s"] == pytest.approx(2 * 2.028672e-6)
    projected = target["layer"]["projected"]
    assert projected["low_s"] <= projected["time_s"] <= projected["at_most_s"]
    assert len(target["calls"]) == 2
    assert found["left_out"]["all"]["points"] == 16


def test_a_users_machine_is_projected_onto(recorded: Path, tmp_path: Path) -> None:
    example = invoke("--print-example")
    assert example.output == EXAMPLE_TOML.read_text(encoding="utf-8")
    npu = tmp_path / "npu.toml"
    npu.write_text(example.output)
    found = plain(recorded, "--target", npu)
    assert found["targets"][0]["target"]["name"] == "Example NPU"


def test_every_fault_of_a_users_machine_is_named_at_once(
    recorded: Path, tmp_path: Path
) -> None:
    npu = tmp_path / "npu.toml"
    text = EXAMPLE_TOML.read_text(encoding="utf-8")
    npu.write_text(text.replace("6TB/s", "-6TB/s").replace("fp8 =", "fp9 ="))
    message = refused(recorded, "--target", npu)
    assert "has 2 faults" in message
    assert 'hbm_bytes_per_s is "-6TB/s": not above zero; give bytes' in message
    assert 'flops_per_s.fp9 is "2000T": not a key of this file' in message


def test_an_unknown_target_is_answered_with_the_known_ones(recorded: Path) -> None:
    assert "No GPU 'h300'. Known: b200" in refused(recorded, "--target", "h300")


def test_a_size_that_was_not_recorded_is_answered_with_those_that_were(
    recorded: Path,
) -> None:
    message = refused(recorded, "--batch-size", "3")
    assert "no point at decode B=3. It has: decode B=1, decode B=4" in message


def test_a_path_without_a_time_is_named(recorded: Path) -> None:
    message = refused(recorded, "--path", "as-listed")
    assert "No call of decode B=1, as-listed, cold has a time" in message


def test_a_design_space_has_its_fronts_and_the_cheapest_in_time(
    recorded: Path,
) -> None:
    ranges = "bandwidth=1TB:16TB,sram=32MB:512MB"
    result = invoke(
        recorded, "--batch-size", "8192", "--sweep", ranges, "--within", "1ms"
    )
    assert result.exit_code == 0, result.output
    assert "1,000,000 designs: HBM bandwidth 1.00 TB/s to 16.0 TB/s" in result.output
    assert "cheapest in time" in result.output
    assert "Latency against area: " in result.output


def test_a_latency_that_no_design_meets_is_said(recorded: Path) -> None:
    ranges = "bandwidth=1TB:16TB"
    asked = (recorded, "--sweep", ranges, "--within", "1ns", "--points", "100")
    output = " ".join(invoke(*asked).output.split())
    assert "No design takes 1.00e-06 ms or less; the quickest takes" in output
    assert "As on the source, in all of them: on-chip bandwidth" in output
    assert plain(*asked)["cheapest"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sweep", "bandwith=1TB"), "has no known key"),
        (("--sweep", "bandwidth=1TB:2"), "bandwidth=1TB:16TB"),
        (("--sweep", "sram=1MB:2MB", "--within", "soon"), "--within is 'soon'"),
        (("--sweep", "sram=1MB:2MB", "--within", "-1ms"), "not above zero"),
        (("--sweep", "sram=1MB:2MB", "--target", "b200"), "exclude each other"),
        (("--sweep", "sram=1MB:2MB", "--points", "100000000"), "cannot be evaluated"),
        (("--within", "1ms"), "go with --sweep"),
        (("--costs", "mine.toml"), "go with --sweep"),
        (("--sweep", "sram=1MB:2MB", "--costs", "mine.toml"), "Cannot read mine.toml"),
    ],
)
def test_what_a_sweep_cannot_use_is_named(
    recorded: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused(recorded, *arguments)


def test_files_are_written_and_replaced_only_if_asked_for(
    recorded: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = (recorded, "--target", "b200", "--output", out)
    result = invoke(*asked)
    assert f"Wrote {out / 'whatif.md'}" in result.stderr
    page = (out / "whatif.md").read_text(encoding="utf-8")
    assert page.startswith("# Toy GPU on NVIDIA HGX B200: decode B=1")
    assert json.loads((out / "whatif.json").read_text(encoding="utf-8"))["targets"]
    assert "whatif.md exists. Overwrite it with --force." in refused(*asked)
    assert invoke(*asked, "--force").exit_code == 0


def test_a_sweep_is_written_with_its_figure(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ranges = "bandwidth=1TB:16TB,sram=32MB:512MB"
    result = invoke(recorded, "--sweep", ranges, "--points", "400", "-o", out)
    assert result.exit_code == 0, result.output
    page = (out / "design-space.md").read_text(encoding="utf-8")
    assert "(figures/design-space.png)" in page
    png = (out / "figures" / "design-space.png").read_bytes()
    assert png.startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_made_is_named(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refused(recorded, "--target", "b200", "-o", tmp_path / "file" / "out")
    assert "Choose another --output" in message


def test_the_bundled_h200_projects_onto_a_b200_within_its_limits() -> None:
    found = plain("--target", "b200", "--batch-size", "32")
    errors = found["left_out"]
    assert errors["all"]["median_pct"] <= 15
    assert errors["long"]["median_pct"] <= 10
    assert errors["extrapolated"]["median_pct"] <= 25
    (target,) = found["targets"]
    # Between the ratios of HBM, 8 / 4.8, and of what is not rated, 1.
    sums = target["model"]
    speedup = sums["measured_s"] / sums["projected"]["time_s"]
    assert 1.2 < speedup < 8 / 4.8
