from dataclasses import replace

import pytest

from dsprof.analysis.report.summary import render_summary
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    CatalogueEntry,
    ModelParameter,
    Phase,
    RepeatedPoint,
    RunSummary,
    Slot,
    Status,
)
from tests.analysis.planted import model_profile
from tests.conftest import Factory

SLOTS = (
    Slot(phase=Phase.DECODE, kernel="rmsnorm", op="input_layernorm"),
    Slot(phase=Phase.DECODE, kernel="mla", op="attn_mqa"),
)
CATALOGUE = tuple(
    CatalogueEntry(
        name=name,
        source="sgl-kernel",
        category=category,
        summary="",
        ops=(),
        limits=limits,
        reason=reason,
    )
    for name, category, limits, reason in (
        ("rmsnorm", "Norm", ("even widths only",), ""),
        ("mla", "Attention", (), "mla needs compute capability 10.0."),
    )
)


@pytest.fixture
def profile(make_profile: Factory, make_measurement: Factory) -> Profile:
    rows = tuple(make_measurement(batch_size=batch) for batch in (1, 8, 128))
    made: Profile = make_profile(catalogue=CATALOGUE, slots=SLOTS, measurements=rows)
    return made


def section(markdown: str, title: str) -> str:
    """The text under a second-level heading."""
    _, _, rest = markdown.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def row(markdown: str, start: str) -> list[str]:
    """Cells of the first table row that begins so."""
    line = next(line for line in markdown.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def changed_lines(before: str, after: str) -> list[str]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [new for old, new in pairs if old != new]


def test_a_slot_is_filled_with_the_numbers_of_its_row(profile: Profile) -> None:
    cells = row(section(render_summary(profile), "Decode B=1"), "| `rmsnorm`")
    # 28,675 FLOP and 43,008 bytes in 10 us warm and 12 us cold.
    assert cells == [
        *("`rmsnorm`", "`input_layernorm`", "0.0100", "0.0120", "2.87", "2.39"),
        *("4.30", "3.58", "0.0860", "0.0717", "Norm", ""),
    ]


def test_a_slot_without_a_row_gives_the_reason_in_its_row(profile: Profile) -> None:
    cells = row(section(render_summary(profile), "Decode B=1"), "| `mla`")
    assert cells[2:10] == ["-"] * 8
    assert cells[10:] == ["Attention", "mla needs compute capability 10.0."]


def test_changing_one_time_changes_the_cells_of_that_row_only(
    profile: Profile, make_measurement: Factory, make_timing: Factory
) -> None:
    slower = make_measurement(batch_size=128, warm=make_timing(median_us=11.0))
    after = replace(profile, measurements=(*profile.measurements[:2], slower))
    lines = changed_lines(render_summary(profile), render_summary(after))
    slot, total, layer, scaling = lines
    assert row(slot, "| `rmsnorm`")[2:4] == ["0.0110", "0.0120"]
    assert total.startswith("- Warm, 1 timed slot: 11.0 us")
    assert row(layer, "| 128")[1] == "≥ 0.0110"
    assert row(scaling, "| `rmsnorm`")[2:] == ["10.0", "10.0", "11.0"]


def test_a_total_is_called_a_lower_bound_and_names_the_missing_slots(
    profile: Profile,
) -> None:
    text = section(render_summary(profile), "Decode B=1")
    assert "1 timed slot: 10.0 us" in text
    assert "lower bound of the listed slots, 1 of which have no time" in text
    assert "- Without a time: `mla attn_mqa`" in text


def test_a_warm_time_above_the_roof_is_flagged_and_not_clipped(
    profile: Profile, make_measurement: Factory, make_timing: Factory
) -> None:
    # 3.68 MB in 0.5 us are 7.4 TB/s, against 5 TB/s of HBM.
    quick = make_measurement(batch_size=128, warm=make_timing(median_us=0.5))
    text = render_summary(replace(profile, measurements=(quick,)))
    cells = row(section(text, "Decode B=128"), "| `rmsnorm`")
    assert cells[8] == "147"
    assert "warm served by L2" in cells[11]
    assert "Above the roof (served by L2)" in section(text, "Findings")


def test_every_catalogued_kernel_has_a_row_with_its_status(profile: Profile) -> None:
    text = section(render_summary(profile), "Kernels")
    assert row(text, "| 1 |")[1:] == [
        *("`rmsnorm`", "sgl-kernel", "Norm", "memory", "memory", "-"),
        "3 of 3 points timed",
    ]
    assert row(text, "| 2 |")[-1] == "mla needs compute capability 10.0."


def test_points_without_a_time_are_counted_by_status_and_reason(
    profile: Profile, make_measurement: Factory
) -> None:
    limited = tuple(
        make_measurement(
            batch_size=batch, status=Status.OUT_OF_LIMIT, reason="at most 16 tokens"
        )
        for batch in (32, 64)
    )
    rows = (*profile.measurements, *limited)
    text = render_summary(replace(profile, measurements=rows))
    assert "5: 3 ok, 2 out_of_limit" in text
    limits = section(text, "Limitations and notes")
    assert "| `rmsnorm` | at most 16 tokens | out_of_limit | 2 |" in limits
    assert "| `rmsnorm` | even widths only | declared | 0 |" in limits
    status = row(section(text, "Kernels"), "| 1 |")[-1]
    assert status == "3 of 5 points timed; 2 out_of_limit (at most 16 tokens)"


def test_no_bound_is_claimed_at_a_size_that_the_kernel_does_not_take(
    profile: Profile, make_measurement: Factory
) -> None:
    refused = make_measurement(batch_size=128, status=Status.OUT_OF_LIMIT)
    rows = (*profile.measurements[:2], refused)
    text = render_summary(replace(profile, measurements=rows))
    assert row(section(text, "Kernels"), "| 1 |")[4:7] == ["memory", "-", "-"]


def test_the_run_is_described_by_its_own_records(profile: Profile) -> None:
    text = render_summary(
        replace(
            profile,
            summary=RunSummary(
                started="2026-11-20T10:00:00Z", wall_s=93.4, points=3, gpu_busy_pct=61
            ),
            model=(ModelParameter(name="hidden_size", value=7168, symbol="H"),),
            repeats=(
                RepeatedPoint(
                    label="rmsnorm/x", cache=Cache.WARM, first_us=10.0, second_us=10.2
                ),
            ),
        )
    )
    assert "- **Recorded:** 2026-11-20T10:00:00Z" in text
    assert "- **Run:** 93.4 s for 3 points, GPU busy 61.0 % of it" in text
    assert "| `hidden_size` | 7168 | H |" in section(text, "Model configuration")
    assert "below 1.98 %" in section(text, "Noise floor")
    assert "| `nsys` | none |" in section(text, "Environment")


def test_times_stand_under_their_batch_size(profile: Profile) -> None:
    text = section(render_summary(profile), "Scaling")
    assert "| Kernel | Op | B=1 | B=8 | B=128 |" in text
    assert "### Batch scaling: decode, S=1, cold L2 (us)" in text
    assert "Sequence scaling" not in text


def test_an_empty_profile_says_what_it_lacks(make_profile: Factory) -> None:
    text = render_summary(make_profile(measurements=(), environment={}, commands=()))
    assert "the run was cut off" in text
    assert "this profile has none" in section(text, "Findings")
    assert "The profile lists no kernel" in section(text, "Kernels")
    assert "The profile lists no slot of this phase." in section(text, "Decode B=1")
    assert "No point has a time." in section(text, "Scaling")
    assert "The run repeated no point" in section(text, "Noise floor")


def test_a_profile_without_a_timed_row_says_so(
    profile: Profile, make_measurement: Factory
) -> None:
    failed = make_measurement(batch_size=1, status=Status.FAILED, reason="crashed")
    text = render_summary(replace(profile, measurements=(failed,)))
    assert "- **Kernels:** 0 of the 2 listed have timed rows" in text
    decode = section(text, "Decode B=1")
    assert row(decode, "| `rmsnorm`")[-1] == "failed: crashed"
    assert "No slot has a time at this size." in decode


def test_names_and_reasons_from_data_cannot_break_a_table(
    profile: Profile, make_measurement: Factory
) -> None:
    bad = make_measurement(
        kernel="<script>|`x`", status=Status.FAILED, reason="a | b\n<script>"
    )
    text = render_summary(replace(profile, measurements=(bad,)))
    line = next(line for line in text.splitlines() if "failed | 1 |" in line)
    assert line == r"| `` <script>\|`x` `` | a \| b \<script\> | failed | 1 |"


def test_a_recorded_program_is_not_called_a_run_that_was_cut_off(
    make_profile: Factory, make_counters: Factory
) -> None:
    text = render_summary(model_profile(make_profile, make_counters))
    assert text.startswith("# Profile of a whole program: Toy GPU")
    assert "- **Timeline:** `python3 -P -m dsprof.harness.models.program" in text
    assert "in model.md" in text
    assert "cut off" not in text
    assert "## Kernels" not in text


def test_a_recorded_program_without_counters_names_the_command_that_adds_them(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(make_profile, make_counters, counters=(), captures=())
    assert "`dsprof nsys --ncu -o PROFILE -- PROGRAM...` adds them" in render_summary(
        profile
    )


def test_a_run_without_a_step_of_the_layer_has_no_tables_of_it(
    profile: Profile, make_measurement: Factory
) -> None:
    with_steps = render_summary(profile)
    assert "## Decode B=1" in with_steps
    assert "## Layer\n" not in with_steps
    others = (make_measurement(kernel="whole", op="routed experts"),)
    without = render_summary(replace(profile, measurements=others))
    assert (
        section(without, "Layer").strip() == "No step of the layer is part of this run."
    )
    for title in ("Decode B=1", "Layer scaling", "Headroom ranking"):
        assert f"## {title}" in with_steps
        assert f"## {title}" not in without
