import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.errors import UsageError
from dsprof.harness.store import ProfileWriter
from dsprof.kernels import deepseek
from dsprof.kernels.layer import SLOTS
from tests.conftest import Factory


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["layer", *map(str, arguments)])


def plain(*arguments: str | Path) -> Any:  # noqa: ANN401 -- JSON
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.fixture
def recorded(make_profile: Factory, make_measurement: Factory, tmp_path: Path) -> Path:
    """Two of the layer's kernels at B=1, each 10 us warm and 12 us cold."""
    rows = (
        make_measurement(batch_size=1),
        make_measurement(
            kernel="fused_add_rmsnorm", op="post_attention_layernorm", batch_size=1
        ),
    )
    profile = make_profile(
        slots=SLOTS, model=deepseek.MODEL_PARAMETERS, measurements=rows
    )
    writer = ProfileWriter.create(tmp_path / "profile", profile)
    for row in rows:
        writer.append(row, {})
    return tmp_path / "profile"


def test_it_adds_up_what_was_measured_and_names_the_rest(recorded: Path) -> None:
    result = invoke(recorded)
    assert result.exit_code == 0
    assert "MoE layer: warm ≥ 20.0 us, cold ≥ 24.0 us." in result.output
    # 1 + 60 + 61 + 1 calls of 10 us.
    assert "Whole model: warm ≥ 1,230 us" in result.output
    assert "Throughput at 1 token a pass: warm ≤ 813 tokens/s" in result.output
    assert "Without a time: dsv3_fused_a_gemm fused_qkv_a_proj" in result.output


def test_the_path_can_be_chosen(recorded: Path) -> None:
    found = plain(recorded, "--path", "as-listed")
    assert found["path"] == "as-listed"
    assert len(found["calls"]) == 19
    assert found["sums"]["warm"]["MoE layer"]["total_us"] == 20.0
    assert found["calls"][0]["roof_us"] == pytest.approx(14336 * 10 * 1e6 / 5e12, 1)


def test_without_division_no_roof_is_divided(recorded: Path) -> None:
    found = plain(recorded)
    assert (found["tp"], found["ep"]) == (1, 1)
    assert {call["divided_roof_us"] for call in found["calls"]} == {None}


def test_divided_roofs_are_analytic_and_leave_the_times_alone(recorded: Path) -> None:
    whole, divided = plain(recorded), plain(recorded, "--tp", "8", "--ep", "8")
    assert divided["sums"] == whole["sums"]
    roofs = {
        (call["kernel"], call["op"]): call["divided_roof_us"]
        for call in divided["calls"]
    }
    # BF16 lm_head: an eighth of 129280 x 7168 weights, all of the input.
    rows = 129280 // 8
    total_bytes = 2 * (rows * 7168 + 7168 + rows)
    assert roofs["lm_head", "lm_head"] == pytest.approx(total_bytes / 5e6)
    text = invoke(recorded, "--tp", "8").output
    assert "nothing was measured at these shapes" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch-size", "3"), "no point at decode B=3. It has: decode B=1."),
        (("--phase", "prefill"), "It has: none of prefill."),
        (("--kv-len", "77"), "no kv_len 77"),
        (("--tp", "3"), "128 heads cannot be divided"),
    ],
)
def test_what_the_profile_does_not_have_is_named(
    recorded: Path, arguments: tuple[str, ...], message: str
) -> None:
    error = invoke(recorded, *arguments).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_a_profile_without_slots_of_the_path_says_so(
    make_profile: Factory, make_measurement: Factory, tmp_path: Path
) -> None:
    profile = make_profile(measurements=(make_measurement(batch_size=1),))
    writer = ProfileWriter.create(tmp_path / "old", profile)
    writer.append(profile.measurements[0], {})
    error = invoke(tmp_path / "old", "--path", "as-served").exception
    assert isinstance(error, UsageError)
    assert "lists no as-served slot of decode" in str(error)


def test_the_bundled_profile_needs_no_argument() -> None:
    assert invoke().exit_code == 0
