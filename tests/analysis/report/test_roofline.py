from dataclasses import replace

import pytest

from dsprof.analysis.report.roofline import FigureLink, render_roofline
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Phase,
    Roof,
    Status,
)
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
    assert text.count("No row of this size has a time.") == 3
    assert text.count("No row of this size is slower than its roof.") == 3


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
