import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.moe.stage_names import PipelineStage, short_name, stages_of

# Launches as ncu listed them on an H200, after a gate.
LIBRARY = {
    "moe_fused_gate_kernel": "gate",
    "vectorized_elementwise_kernel": "PyTorch elementwise",
    "pair_blocks": "GEMM set-up",
    "compute_problem_sizes": "sort/align",
    "compute_expert_offsets": "sort/align",
    "compute_arg_sorts": "sort/align",
    "per_token_group_quant_8bit_kernel": "quantise",
    "shuffleRowsKernel": "shuffle",
    "get_group_gemm_starts": "GEMM set-up",
    "act_and_mul_kernel": "activation",
    "apply_shuffle_mul_sum_kernel": "reduce",
    "moe_align_block_size_kernel": "sort/align",
    "count_and_sort_expert_tokens_kernel": "sort/align",
    "moe_sum_reduce_warp_per_token_vec_kernel": "reduce",
    "quantize_rows": "quantise",
    "sum_rows": "reduce",
    "Memset (Device)": "Memset (Device)",
}


@pytest.mark.parametrize(("name", "stage"), LIBRARY.items())
def test_a_launch_is_told_by_its_function(name: str, stage: str) -> None:
    assert stages_of([name]) == [stage]


@pytest.mark.parametrize(
    ("names", "stages"),
    [
        (["device_kernel", "device_kernel"], ["GEMM gate_up", "GEMM down"]),
        (["fused_moe_silu", "fused_moe"], ["GEMM gate_up", "GEMM down"]),
        (["fused_moe", "moe_gemm_down"], ["GEMM gate_up", "GEMM down"]),
        (["fused_moe_gate_up", "fused_moe"], ["GEMM gate_up", "GEMM down"]),
        (
            ["grouped_gemm_wgmma", "silu_quant", "grouped_gemm_wgmma"],
            ["GEMM gate_up", "activation", "GEMM down"],
        ),
        (
            ["fused_moe", "split_k_sum", "fused_moe", "split_k_sum"],
            ["GEMM gate_up", "GEMM gate_up", "GEMM down", "GEMM down"],
        ),
        (["device_kernel"], ["device_kernel"]),
        (["fused_moe"] * 3, ["fused_moe"] * 3),
        (
            ["fused_moe_gate_up", "moe_gemm_down", "fused_moe"],
            ["GEMM gate_up", "GEMM down", "fused_moe"],
        ),
        (["split_k_sum"], ["split_k_sum"]),
        ([], []),
    ],
)
def test_products_without_a_name_are_told_by_their_order(
    names: list[str], stages: list[str]
) -> None:
    assert stages_of(names) == stages


def test_template_arguments_tell_nothing() -> None:
    gemm = "void cutlass::device_kernel<cutlass::silu_quant<1>>(Params)"
    assert short_name(gemm) == "device_kernel"
    assert stages_of([gemm, gemm]) == ["GEMM gate_up", "GEMM down"]
    hidden = "void (anonymous namespace)::per_token_group_quant_8bit_kernel<A, 8>(int)"
    assert short_name(hidden) == "per_token_group_quant_8bit_kernel"
    assert short_name("fused_moe") == "fused_moe"


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_ZN7cutlass13device_kernelINS_4gemm6kernel13GemmUniversalIiEEEEvNT_E", None),
        ("_ZNK7cutlass13device_kernelEv", None),
        ("_Z13device_kernelIN4gemm4oneEEvT_", None),
        ("_ZSt", "_ZSt"),
        ("_Zebra", "_Zebra"),
    ],
)
def test_a_mangled_name_is_read_as_far_as_it_is_nested(
    mangled: str, name: str | None
) -> None:
    assert short_name(mangled) == (name or "device_kernel")


NAMES = st.lists(
    st.one_of(
        st.sampled_from(["device_kernel", "fused_moe", "fused_moe_silu", *LIBRARY]),
        st.text(max_size=12),
        st.text(alphabet="_ZN0123459ab", max_size=12).map("_ZN{}".format),
    ),
    max_size=12,
)


@given(NAMES)
def test_every_launch_has_a_stage_or_keeps_its_name(names: list[str]) -> None:
    stages = stages_of(names)
    assert len(stages) == len(names)
    for name, stage in zip(names, stages, strict=True):
        assert stage in list(PipelineStage) or stage == short_name(name)
