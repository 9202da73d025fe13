"""whatif.md, for profiles with much, little and nothing to project."""

from dataclasses import replace

import pytest

from dsprof.analysis.report.whatif import (
    fitted_cache,
    other_gpus,
    render_whatif,
    reported_passes,
)
from dsprof.analysis.report.whatif_fits import left_out_line, left_out_table
from dsprof.analysis.report.whatif_tables import (
    assumptions,
    call_table,
    machine_table,
    sum_table,
    target_table,
)
from dsprof.analysis.whatif.fit import Fits, fit_kernels
from dsprof.analysis.whatif.passes import Pass
from dsprof.analysis.whatif.target import target_of_device
from dsprof.harness.device import Datapath, device_spec, known_devices
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Status
from tests.analysis.whatif.recorded import norms_profile
from tests.conftest import Factory


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    return norms_profile(make_profile, make_measurement, make_timing)


@pytest.fixture
def fits(profile: Profile) -> Fits:
    return fit_kernels(profile, Cache.COLD)


@pytest.fixture
def b1(profile: Profile, fits: Fits) -> Pass:
    return reported_passes(profile, fits)[0]


def test_the_page_has_errors_fits_projections_and_published_rows(
    profile: Profile, fits: Fits
) -> None:
    page = render_whatif(profile, fits) or ""
    assert page.startswith("# What if: Toy GPU\n")
    assert "| `fused_add_rmsnorm` | 8 |" in page
    assert left_out_line(fits).split(";")[0] in page
    assert "### decode B=128, as-served, cold" in page
    assert page.count("| NVIDIA HGX B200 |") == 4  # three sizes, and what it has
    assert "no cold time of fp8_blockwise_scaled_mm" in page
    assert "| 1,233 TFLOP/s, 924.0 GB/s |" in page  # published.toml: masked, 1 x 1024
    assert "None" not in page
    assert "nan" not in page


def test_a_profile_without_a_time_has_no_page(
    make_profile: Factory, make_measurement: Factory
) -> None:
    failed = make_measurement(status=Status.FAILED, reason="crashed")
    assert render_whatif(make_profile(measurements=(failed,))) is None
    assert fitted_cache(make_profile(measurements=())) is None


def test_warm_times_serve_where_there_are_no_cold_ones(profile: Profile) -> None:
    warm = tuple(replace(row, cold=None) for row in profile.measurements)
    only_warm = replace(profile, measurements=warm)
    assert fitted_cache(only_warm) is Cache.WARM
    assert "Times are warm" in (render_whatif(only_warm) or "")


def test_one_point_without_a_layer_still_gives_an_honest_page(
    make_profile: Factory,
) -> None:
    page = render_whatif(make_profile()) or ""
    assert "every interval is a guess" in page
    assert "No layer can be added up" in page


def test_whole_steps_alone_make_no_page(
    make_profile: Factory, make_measurement: Factory
) -> None:
    whole = make_measurement(op="routed experts")
    assert render_whatif(make_profile(measurements=(whole,))) is None
    other = make_measurement(kernel="other")
    assert render_whatif(make_profile(measurements=(whole, other))) is not None


def test_a_kernel_named_with_markup_is_shown_as_text(
    make_profile: Factory, make_measurement: Factory
) -> None:
    name = "<script>alert(1)</script>|x"
    page = render_whatif(make_profile(measurements=(make_measurement(kernel=name),)))
    assert r"`<script>alert(1)</script>\|x`" in (page or "")


def test_two_profiles_have_different_pages(profile: Profile) -> None:
    slower = tuple(
        replace(row, cold=row.cold and replace(row.cold, median_us=2 * i + 50.0))
        for i, row in enumerate(profile.measurements)
    )
    assert render_whatif(profile) != render_whatif(
        replace(profile, measurements=slower)
    )


def test_the_errors_end_with_those_of_all_kernels(fits: Fits) -> None:
    *kernels, every = left_out_table(fits).rows
    assert len(kernels) == 2
    assert every[:2] == ("all kernels", "16")
    assert "of 16 points" in left_out_line(fits)


def test_a_known_gpu_is_every_one_but_the_source(fits: Fits) -> None:
    assert len(other_gpus(fits.source)) == len(known_devices())
    h200 = target_of_device(device_spec("h200-sxm"), fits.source)
    names = [target.name for target in other_gpus(h200)]
    assert len(names) == len(known_devices()) - 1
    assert h200.name not in names


def test_a_calls_row_has_its_time_its_bounds_and_its_limit(b1: Pass) -> None:
    on = b1.on(target_of_device(device_spec("b200"), b1.fits.source))
    table = call_table(on.layer)
    row = dict(zip(table.headings, table.rows[0], strict=True))
    # 2 us fixed, 1 us of being cold, and 28,672 bytes at 4 TB/s.
    assert row[">Measured (us)"] == "3.01"
    assert row["Limit"] == "fixed"
    assert " to " in str(row[">Interval (us)"])


def test_the_sums_have_layer_model_and_rate(b1: Pass) -> None:
    on = b1.on(b1.fits.source)
    rows = {row[0]: row for row in sum_table(on).rows}
    assert list(rows) == ["MoE layer (us)", "whole model (us)", "tokens/s"]
    assert rows["MoE layer (us)"][1] == "6.01"
    # Final norm and dense layers have no slot here: times are bounds, and so is it.
    assert str(rows["tokens/s"][2]).startswith("≤ ")


def test_a_machine_that_lacks_a_datapath_says_which_calls_it_cannot_run(
    b1: Pass,
) -> None:
    a100 = target_of_device(device_spec("a100-sxm"), b1.fits.source)
    calls = tuple(
        replace(call, tensor_s={Datapath.FP8_TENSOR: 1e-6}) for call in b1.layer.calls
    )
    source = replace(
        b1.fits.source,
        flops_per_s={**b1.fits.source.flops_per_s, Datapath.FP8_TENSOR: 2e15},
    )
    fp8 = replace(b1, layer=replace(b1.layer, calls=calls, source=source))
    on = fp8.on(a100)
    (row,) = machine_table([on]).rows
    assert row[1] == "-"
    assert row[-1] == "2 calls for want of FP8 tensor"
    assert {cells[7] for cells in call_table(on.layer).rows} == {"no FP8 tensor"}


def test_what_nobody_rates_is_marked_and_explained(fits: Fits) -> None:
    b200 = target_of_device(device_spec("b200"), fits.source)
    (row,) = target_table([b200]).rows
    assert row[0] == "NVIDIA HGX B200"
    assert sum(str(cell).startswith("~ ") for cell in row) == 2
    lines = assumptions([fits.source, b200])
    assert any(
        line.startswith("Launch latency of NVIDIA HGX B200: as") for line in lines
    )
