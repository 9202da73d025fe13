import re

from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.counters import Counters
from dsprof.harness.ncu_selection import (
    MOST_CHARACTERS,
    Selection,
    function_filter,
    function_name,
    join_launches,
    kernel_coverage,
    name_filter,
    nvtx_options,
    select_kernels,
)
from dsprof.harness.timeline import KernelTime, RangeTime, Timeline, TimelineTool

ONE, TWO = (1, 1, 1), (2, 1, 1)
BLOCK = (128, 1, 1)
ADD = (
    "void at::native::vectorized_elementwise_kernel<(int)8, "
    "at::native::CUDAFunctor_add<c10::BFloat16>, std::array<char *, (unsigned "
    "long)3>>(int, T2, T3)"
)
MUL = ADD.replace("CUDAFunctor_add", "BinaryFunctor<\"x\", 'y', &mul>")


def timeline(*names: str, range_name: str = "decode", domain: str = "") -> Timeline:
    kernels = [
        KernelTime(
            range=range_name,
            kernel_name=name,
            grid=grid,
            block=None if grid is None else BLOCK,
            instances=1,
            total_ns=total,
            median_ns=total,
            min_ns=total,
            max_ns=total,
            stddev_ns=0.0,
        )
        for at, name in enumerate(names)
        for grid, total in (
            (None, 1000 - at),
            (ONE, 900 - at),
            (TWO, 100),
        )
    ]
    time = RangeTime(
        name=range_name, domain=domain, instances=1, wall_ns=1, busy_ns=1, kernel_ns=1,
        copy_ns=0, kernels=len(names),
    )  # fmt: skip
    return Timeline(tool=TimelineTool.NSYS, ranges=(time,), kernels=tuple(kernels))


def selected(*names: str, top: int = 20, range_name: str = "decode") -> Selection:
    return select_kernels(timeline(*names, range_name=range_name), range_name, top)


def launch(name: str, grid: tuple[int, int, int], **changes: object) -> Counters:
    return Counters(kernel_name=name, grid=grid, block=BLOCK, **changes)  # type: ignore[arg-type]


def lets_through(expression: str, name: str) -> bool:
    return re.search(expression.removeprefix("regex:"), name) is not None


def test_the_longest_kernels_are_wanted() -> None:
    selection = selected("a(int)", "b(int)", "c(int)", top=2)
    assert selection.wanted == ("a(int)", "b(int)")
    assert selection.others == ("c(int)",)
    assert selection.configurations["b(int)"] == {(ONE, BLOCK): 899, (TWO, BLOCK): 100}


def test_a_kernel_that_waits_for_other_gpus_is_left_out_with_the_reason() -> None:
    name = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"
    selection = selected("a(int)", name)
    assert selection.wanted == ("a(int)",)
    assert "replays a kernel alone" in selection.excluded[name]


def test_a_filter_lets_its_names_through_and_not_those_that_begin_alike() -> None:
    expression = name_filter(selected(ADD, MUL, top=1))
    assert lets_through(expression, ADD)
    assert not lets_through(expression, MUL)


def test_a_name_that_another_one_begins_with_is_taken_to_its_end() -> None:
    expression = name_filter(selected("fused_moe", "fused_moe_reduce", top=1))
    assert expression == "regex:^(fused_moe$)"


def test_no_character_of_a_name_means_anything_to_the_filter() -> None:
    assert re.fullmatch(
        r"regex:\^\([\w.|$]+\)", name_filter(selected(MUL, "k<',\",\\|$>(*)"))
    )


def test_a_very_long_name_gives_a_short_filter() -> None:
    longest = "void f<" + ", ".join(["cute::C<(int)1>"] * 1000) + ">"
    names = [f"{longest}({number})" for number in range(20)]
    expression = name_filter(selected(*names, top=10))
    assert len(expression) < 11 * 2 * MOST_CHARACTERS
    assert all(lets_through(expression, name) for name in names[:10])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True))
def test_a_filter_always_lets_its_names_through(names: list[str]) -> None:
    selection = selected(*names, top=3)
    for wanted in selection.wanted:
        expression = name_filter(selection).removeprefix("regex:")
        assert re.search(expression, wanted, re.DOTALL)


def test_the_function_name_is_bare() -> None:
    assert function_name(ADD) == "vectorized_elementwise_kernel"
    assert function_name("nvjet_sm90_tst_64x8") == "nvjet_sm90_tst_64x8"
    assert function_name("void (anonymous namespace)::f<a::b, (c)1>(int*, g<2>)") == "f"
    assert (
        function_name("std::enable_if<(a)>::type ns::gemv<int, (b)2>(T1 *, T2)")
        == "gemv"
    )
    assert function_name("kernel") == "kernel"


@given(st.text())
def test_any_text_has_a_function_name(text: str) -> None:
    assert isinstance(function_name(text), str)


def test_the_second_filter_is_by_function_and_whole() -> None:
    expression = function_filter(selected(ADD, "ns::softmax<1>(int)"))
    assert expression == "regex:^(softmax$|vectorized_elementwise_kernel$)"


def test_a_range_is_filtered_in_both_forms() -> None:
    assert nvtx_options(selected("a")) == (
        "--nvtx", "--nvtx-include", "decode/", "--nvtx-include", "decode",
    )  # fmt: skip


def test_special_characters_of_a_range_are_escaped() -> None:
    options = nvtx_options(selected("a", range_name="step [1/2], *"))
    assert options[2] == r"step \[1\/2\]\, \*/"


def test_a_domain_is_named_with_its_range() -> None:
    one = select_kernels(timeline("a", domain="vllm"), "decode", 1)
    assert nvtx_options(one)[5::2] == ("--nvtx-include", "--nvtx-include")
    assert nvtx_options(one)[6::2] == ("vllm@decode/", "vllm@decode")


def test_the_whole_program_has_no_range_to_filter() -> None:
    assert nvtx_options(selected("a", range_name="")) == ()


def test_launches_join_by_name_and_sizes_and_the_first_counts() -> None:
    selection = selected("a(int)", "b(int)")
    rows = [
        launch("a(int)", ONE, duration_ns=1.0),
        launch("a(int)", ONE, duration_ns=2.0),
        launch("a(int)", TWO),
        launch("z(int)", ONE),
        launch("b(int)", (7, 1, 1)),
    ]
    joined = join_launches(selection, rows)
    assert [(row.kernel_name, row.grid) for row in joined.counters] == [
        ("a(int)", ONE),
        ("a(int)", TWO),
    ]
    assert joined.counters[0].duration_ns == 1.0
    assert joined.strangers == {"b(int)": {((7, 1, 1), BLOCK)}}


def test_configurations_that_differ_in_shared_memory_are_all_kept() -> None:
    rows = [
        launch("a", ONE, shared_memory_dynamic_bytes=size) for size in (0.0, 8.0, 8.0)
    ]
    assert len(join_launches(selected("a"), rows).counters) == 2


def test_names_of_another_spelling_join_and_keep_the_timelines() -> None:
    joined = join_launches(selected("K<4>"), [launch("k<4>", ONE)], str.lower)
    assert [row.kernel_name for row in joined.counters] == ["K<4>"]


def test_coverage_is_weighted_by_time() -> None:
    selection = selected("a", "b")
    (a, b) = kernel_coverage(selection, [launch("a", ONE), launch("a", TWO)])
    assert (a.profiled, a.configurations, a.profiled_ns) == (2, 2, 1000)
    assert (b.profiled, b.profiled_ns, b.total_ns) == (0, 0, 999)
    (a, _) = kernel_coverage(selection, [launch("a", TWO)])
    assert (a.profiled_ns, a.total_ns) == (100, 1000)


def test_a_selection_can_be_narrowed() -> None:
    assert selected("a", "b").narrowed({"b"}).wanted == ("b",)
