from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.shown_rows import (
    cache_states,
    judged_rows,
    launch_count,
    op_title,
    shown_rows,
    size_title,
    state_title,
)
from dsprof.harness.records import Cache, Phase
from tests.analysis.counted import counted_profile, point_of
from tests.conftest import Factory

GEMV = (
    "void gemvx::kernel<int, int, __nv_bfloat16, __nv_bfloat16, __nv_bfloat16, float>"
    "(T1)"
)
ADD = (
    "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add"
    "<c10::BFloat16>, std::array<char *, 3>>(int, T2, T3)"
)


def test_a_points_states_follow_each_other_cold_first(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    points = [
        point_of(make_measurement, make_counters, batch_size=batch) for batch in (8, 2)
    ]
    profile = counted_profile(make_profile, *points)
    assert [one.cache for one in profile.counters][:2] == [Cache.WARM, Cache.COLD]
    rows = shown_rows(merged_frame(profile))
    assert list(zip(rows["batch_size"], rows["cache"], strict=True)) == [
        *((8, "cold"), (8, "warm")),
        *((2, "cold"), (2, "warm")),
    ]
    assert cache_states(rows) == ["cold", "warm"]
    assert set(judged_rows(rows)["cache"]) == {"cold"}


def test_two_foreign_kernels_of_one_function_name_have_two_shown_names(
    make_profile: Factory, make_counters: Factory
) -> None:
    launches = tuple(
        make_counters(label="", cache=None, function_name="kernel", kernel_name=name)
        for name in (GEMV, ADD)
    )
    rows = shown_rows(merged_frame(make_profile(measurements=(), counters=launches)))
    assert rows["kernel"].nunique() == 2
    assert "kernel" not in set(rows["kernel"])
    assert rows["source"].tolist()[1] == "PyTorch ATen"
    assert cache_states(rows) == [""]
    assert state_title("") == "L2 state not recorded"


def test_a_frame_without_rows_stays_one(make_profile: Factory) -> None:
    profile = make_profile(measurements=())
    rows = shown_rows(merged_frame(profile))
    assert len(rows) == 0
    assert len(judged_rows(rows)) == 0
    assert launch_count(profile) == "0 launches"


def test_sizes_and_ops_are_written_as_in_the_other_tables(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    points = [
        point_of(make_measurement, make_counters, batch_size=128, kv_len=4096),
        point_of(
            make_measurement,
            make_counters,
            phase=Phase.PREFILL,
            batch_size=1,
            seq_len=1024,
        ),
    ]
    rows = shown_rows(merged_frame(counted_profile(make_profile, *points)))
    found = [(size_title(row), op_title(row)) for _, row in rows.iterrows()]
    assert found[0] == ("decode B=128", "input_layernorm kv=4096")
    assert found[-1] == ("prefill B=1 S=1024", "input_layernorm")
