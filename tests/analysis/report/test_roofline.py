from dataclasses import replace

import pytest

from dsprof.analysis.report.roofline import FigureLink, render_roofline
from dsprof.harness.ceiling import Duration, Pattern
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Phase,
    Roof,
    Status,
)
from tests.analysis.test_roofs import make_ceiling
from tests.conftest import Factory

ROOF = Roof(name="spec toy", flops_per_s=1e15, bytes_per_s=5e12)


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    """A norm at B=1 and B=128, and a GEMM that B=128 makes compute-bound."""
    rows = [make_measurement(batch_size=batch) for batch in (1, 128)]
    rows += [
        make_measurement(
            kernel="gemm",
            op="o_proj",
            category="GEMM",
            batch_size=batch,
            roof=ROOF,
            flops={Datapath.BF16_TENSOR: 10**8 * batch},
            bytes_read=10**7,
            bytes_written=0,
            cold=make_timing(median_us=36.0),
        )
        for batch in (1, 128)
    ]
    made: Profile = make_profile(measurements=tuple(rows))
    return made


def render(profile: Profile) -> str:
    return render_roofline(profile, [FigureLink(path="r.png", title="Roofline")])


def part(markdown: str, heading: str) -> str:
    """The text from a heading to the next."""
    _, _, rest = markdown.partition(f"{heading}\n")
    return rest.partition("\n#")[0]


def row(markdown: str, start: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_placement_gives_range_bound_attainable_achieved_and_share(
    profile: Profile,
) -> None:
    text = part(render(profile), "## Kernel placement")
    # 12.8 GFLOP over 10 MB; 12.8 us at the peak, 10 us warm and 36 us cold.
    assert row(text, "| `gemm`") == [
        *("`gemm`", "`o_proj`", "10.0 to 1,280"),
        *("memory, compute from 128 tokens", "BF16 tensor", "128"),
        *("1,000 TFLOP/s", "1,280 TFLOP/s", "356 TFLOP/s", "128", "35.6"),
    ]


def test_intensity_is_given_at_the_smallest_and_largest_size(profile: Profile) -> None:
    text = part(render(profile), "## Arithmetic intensity at both ends of the sweep")
    assert row(text, "| `gemm`")[2:] == [
        *("1", "100 MFLOP", "10.0 MB", "10.0"),
        *("128", "12.8 GFLOP", "10.0 MB", "1,280"),
    ]


def test_each_size_says_which_ops_each_roof_bounds(profile: Profile) -> None:
    text = part(render(profile), "### Decode B=128")
    assert "**Compute-bound:** `gemm o_proj`, 75.0 % of 48.0 us cold" in text
    assert "**Memory-bound:** `rmsnorm input_layernorm`, 25.0 % of 48.0 us" in text
    assert "**Compute-bound:** none" in part(render(profile), "### Decode B=1")
    assert "No row of this size has a time." in part(
        render(profile), "### Prefill B=1 S=1024"
    )


def test_opportunities_are_ranked_by_time_above_the_roof(profile: Profile) -> None:
    text = part(render(profile), "### Time above the roof: Decode B=128")
    assert row(text, "| 1 |")[1] == "`gemm`"
    # 36 us measured, 12.8 us at the roof.
    assert row(text, "| 1 |")[4:7] == ["36.0", "12.8", "23.2"]
    assert row(text, "| 2 |")[1] == "`rmsnorm`"


def test_a_timing_above_its_roof_is_listed_with_its_state(profile: Profile) -> None:
    text = part(render(profile), "## Above the roof")
    assert row(text, "| `gemm/o_proj/decode/B=128")[1:] == [
        *("warm", "compute", "10.0 MB", "128", "above the roof, unexplained")
    ]


def test_growth_is_an_exponent_between_the_ends_of_the_sweep(
    profile: Profile,
) -> None:
    text = part(render(profile), "### Batch scaling (decode)")
    cells = row(text, "| `rmsnorm`")
    assert cells[2] == "B=1 to 128"
    assert cells[5:7] == ["0.00", "0.00"]
    assert cells[8] == "128"
    assert "No op has two timed sizes here." in part(
        render(profile), "### Sequence scaling (prefill, B=1)"
    )


def test_a_run_without_cold_times_is_judged_warm(profile: Profile) -> None:
    rows = tuple(replace(row, cold=None) for row in profile.measurements)
    text = render(replace(profile, measurements=rows))
    assert "us warm" in part(text, "### Decode B=128")
    assert "warm L2." in part(text, "### Time above the roof: Decode B=128")


def test_changing_one_time_leaves_the_other_rows_as_they_are(
    profile: Profile, make_timing: Factory
) -> None:
    slower = replace(profile.measurements[0], cold=make_timing(median_us=13.0))
    rows = (slower, *profile.measurements[1:])
    before = render(profile).splitlines()
    after = render(replace(profile, measurements=rows)).splitlines()
    assert len(before) == len(after)
    for heading in ("## Kernel placement", "### Decode B=128", "## Above the roof"):
        assert part("\n".join(before), heading) == part("\n".join(after), heading)
    assert any("| 13.0 |" in line for line in after)


def test_figures_are_linked_in_order(profile: Profile) -> None:
    links = [FigureLink(path=f"{name}.png", title=name) for name in ("a", "b")]
    text = render_roofline(profile, links)
    assert text.index("![a](a.png)") < text.index("![b](b.png)")


@pytest.mark.parametrize("status", [None, Status.FAILED])
def test_a_profile_without_times_has_every_section_and_says_so(
    make_profile: Factory, make_measurement: Factory, status: Status | None
) -> None:
    rows = () if status is None else (make_measurement(status=status),)
    text = render(make_profile(measurements=rows))
    assert "No row has a time, so nothing is placed." in text
    assert "No timing is above its roof." in text
    assert text.count("No row of this size has a time.") == 6  # of two sections
    assert "slower than its roof" not in text


def test_prefill_scales_over_sequence_length_at_one_request(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(
        make_measurement(phase=Phase.PREFILL, batch_size=1, seq_len=length)
        for length in (128, 2048)
    )
    text = render(make_profile(measurements=rows))
    cells = row(part(text, "### Sequence scaling (prefill, B=1)"), "| `rmsnorm`")
    assert cells[2] == "S=128 to 2048"


@pytest.fixture
def measured(profile: Profile) -> Profile:
    """With a burst of 4 TB/s, 40 FP32 and 500 BF16 TFLOP/s, and no sustained one."""
    return replace(
        profile,
        ceilings=(
            make_ceiling(Pattern.HBM_READ, value=4e12),
            make_ceiling(Pattern.FP32, value=4e13),
            make_ceiling(Pattern.BF16_DENSE, value=5e14, power_w=690.0),
        ),
    )


def test_every_percentage_of_a_roof_names_it(
    profile: Profile, measured: Profile
) -> None:
    for made, roofs in ((profile, ("spec",)), (measured, ("spec", "burst"))):
        text = render(made)
        for line in text.splitlines():
            assert "roof (%)" not in line
            assert "Share warm" not in line
        assert all(f"% of {roof} toy, cold" in text for roof in roofs)
        assert all(f"| % of {roof} toy |" in text for roof in roofs)
    assert "burst" not in part(render(profile), "## Kernel placement")


def test_the_burst_stands_beside_the_spec(measured: Profile) -> None:
    text = part(render(measured), "## Kernel placement")
    # 12.8 GFLOP take 12.8 us at the rated and 25.6 us at the measured roof.
    assert row(text, "| `gemm`")[-4:] == ["128", "35.6", "256", "71.1"]
    text = part(render(measured), "### Decode B=128")
    assert row(text, "| `gemm`")[6:9] == ["12.8", "35.6", "71.1"]


def test_a_datapath_whose_roof_was_not_measured_has_a_dash(measured: Profile) -> None:
    without = replace(measured, ceilings=measured.ceilings[:2])
    text = part(render(without), "## Kernel placement")
    assert row(text, "| `gemm`")[-4:] == ["128", "35.6", "-", "-"]
    assert "-" not in row(text, "| `rmsnorm`")[-4:]


def test_a_timing_is_listed_above_one_roof_only(
    measured: Profile, make_timing: Factory
) -> None:
    rows = list(measured.measurements)
    rows[-1] = replace(rows[-1], cold=make_timing(median_us=20.0))
    text = part(
        render(replace(measured, measurements=tuple(rows))), "## Above the roof"
    )
    spec, _, burst = text.partition("**burst toy**")
    # Warm 10 us: beyond the rated 12.8. Cold 20 us: beyond the burst's 25.6 alone.
    assert row(spec, "| `gemm")[-2:] == ["128", "above the roof, unexplained"]
    assert row(burst, "| `gemm")[1] == "cold"
    assert row(burst, "| `gemm")[-2] == "128"
    assert row(burst, "| `gemm")[-1].startswith("under spec")
    assert burst.count("| `gemm") == spec.count("| `gemm") == 1


def test_measured_roofs_are_listed_with_their_conditions(measured: Profile) -> None:
    held = make_ceiling(
        Pattern.BF16_DENSE,
        value=4e14,
        duration=Duration.SUSTAINED,
        sm_clock_mhz=1400,
        throttle_reasons=("sw_power_cap",),
    )
    text = part(
        render(replace(measured, ceilings=(*measured.ceilings, held))),
        "## Measured roofs",
    )
    assert row(text, "| `hbm_read`") == [
        *("`hbm_read`", "4.00", "-", "TB/s", "80.0", "1,980", "500", "nothing"),
        "4 GiB, programs of 4096, 4 warps",
    ]
    assert row(text, "| `bf16_dense`")[1:8] == [
        *("500", "400", "TFLOP/s", "50.0 / 40.0", "1,980 / 1,400", "690 / 500"),
        "nothing / sw_power_cap",
    ]
    # 500 TFLOP/s over 4 TB/s.
    assert row(text, "| burst toy | BF16") == [
        *("burst toy", "BF16 tensor", "500", "4.00", "125")
    ]
    assert "sustained toy" not in text  # reading was not measured for long


def test_a_profile_without_measured_roofs_says_how_to_get_them(
    profile: Profile,
) -> None:
    text = part(render(profile), "## Measured roofs")
    assert "every roof on this page is the data sheet's, spec toy" in text
    assert "dsprof ceilings --output PROFILE" in text
