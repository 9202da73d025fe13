"""The portable GEMM, compiled for GPUs that are not here."""

from pathlib import Path

import pytest

from dsprof.kernels import moe_configs
from dsprof.kernels.moe_configs import GemmConfig

# A program's shared memory by compute capability (CUDA C++ Programming Guide, technical
# specifications): what the generic configurations are to fit into is the least.
SHARED_BYTES = {89: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}
POINTERS = {
    "a": "*bf16",
    "a_scales": "*fp32",
    "b": "*bf16",
    "b_scales": "*fp32",
    "out": "*bf16",
    "topk_weights": "*fp32",
    "sorted_token_ids": "*i32",
    "expert_ids": "*i32",
    "num_tokens_post_padded": "*i32",
    "partials": "*fp32",
    "counters": "*i32",
}


def shared_bytes(
    capability: int, config: GemmConfig, block_m: int, *, is_fp8: bool
) -> int:
    """Compile ``fused_moe``; bytes of shared memory that a program takes."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from dsprof.kernels.experts._fused_moe_kernel import fused_moe

    constants = {
        "ROWS_PER_A": 1,
        "BLOCK_M": block_m,
        "BLOCK_N": config.block_n,
        "BLOCK_K": config.block_k_bytes // (1 if is_fp8 else 2),
        "GROUP_M": config.group_m,
        "SPLIT_K": config.split_k,
        "SWAP": config.swap,
        "TMA": config.tma,
        "IS_FP8": is_fp8,
        "MUL_ROUTED_WEIGHT": True,
        "OVERLAP": False,
        "IS_INTERPRETED": False,
    }
    kinds = {
        **POINTERS,
        **({"a": "*fp8e4nv", "b": "*fp8e4nv"} if is_fp8 else {}),
        **dict.fromkeys(("n", "k", "assignments"), "i32"),
        **dict.fromkeys(constants, "constexpr"),
    }
    names = fused_moe.arg_names
    aligned = {
        (names.index(name),): [["tt.divisibility", 16]]
        for name in (*POINTERS, "n", "k")
    }
    made = triton.compile(
        ASTSource(fused_moe, {name: kinds[name] for name in names}, constants, aligned),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": config.warps, "num_stages": config.stages},
    )
    shared: int = made.metadata.shared
    return shared


@pytest.mark.slow
@pytest.mark.parametrize("is_fp8", [True, False])
@pytest.mark.parametrize("capability", SHARED_BYTES)
def test_generic_configurations_fit_other_gpus(
    capability: int,
    is_fp8: bool,  # noqa: FBT001 -- a parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    generic = [config for config in moe_configs.load() if not config.gpu]
    assert generic
    for config in generic:
        for gemm in (config.gate_up, config.down):
            taken = shared_bytes(capability, gemm, config.block_m, is_fp8=is_fp8)
            assert taken <= SHARED_BYTES[min(SHARED_BYTES)]
