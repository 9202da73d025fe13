"""Calls against the signatures of sglang-kernel 0.4.4, without a GPU."""

import importlib
import inspect
import re
from typing import Any

import pytest
import torch

from dsprof.kernels.registry import kernel_files

# As the 0.4.4 wheel registers its ops.
SCHEMAS = """
rmsnorm(Tensor! output, Tensor input, Tensor weight, float eps, bool enable_pdl) -> ()
fused_add_rmsnorm(Tensor! input, Tensor! residual, Tensor weight, float eps, bool enable_pdl) -> ()
silu_and_mul(Tensor! out, Tensor input) -> ()
concat_mla_k(Tensor! k, Tensor k_nope, Tensor k_rope) -> ()
dsv3_fused_a_gemm(Tensor! output, Tensor mat_a, Tensor mat_b) -> ()
dsv3_router_gemm(Tensor! output, Tensor mat_a, Tensor mat_b) -> ()
moe_align_block_size(Tensor topk_ids, int num_experts, int block_size, Tensor! sorted_token_ids, Tensor! experts_ids, Tensor! num_tokens_post_pad, Tensor! cumsum_buffer, bool pad_sorted_token_ids) -> ()
topk_softmax(Tensor! topk_weights, Tensor! topk_indices, Tensor gating_output, bool renormalize, float moe_softcapping, Tensor? correction_bias) -> ()
topk_sigmoid(Tensor! topk_weights, Tensor! topk_indices, Tensor gating_output, bool renormalize, Tensor? correction_bias) -> ()
moe_fused_gate(Tensor input, Tensor bias, int num_expert_group, int topk_group, int topk, int num_fused_shared_experts, float routed_scaling_factor, bool apply_routed_scaling_factor_on_output) -> (Tensor[])
prepare_moe_input(Tensor topk_ids, Tensor expert_offsets, Tensor? blockscale_offsets, Tensor problem_sizes1, Tensor problem_sizes2, Tensor input_permutation, Tensor output_permutation, int num_experts, int n, int k) -> ()
apply_shuffle_mul_sum(Tensor input, Tensor output, Tensor permutation, Tensor? factors) -> ()
bmm_fp8(Tensor A, Tensor B, Tensor! D, Tensor A_scale, Tensor B_scale, Tensor workspace_buffer, int cublas_handle) -> ()
""".strip().splitlines()  # noqa: E501 -- one line an op, as registered

TYPES: dict[str, tuple[type, ...]] = {
    "Tensor": (torch.Tensor,),
    "Tensor!": (torch.Tensor,),
    "Tensor?": (torch.Tensor, type(None)),
    "int": (int,),
    "float": (float,),
    "bool": (bool,),
}

# Where our argument has another name than the op's.
OUR_NAMES = {
    "output": "out",
    "D": "out",
    "A": "a",
    "B": "b",
    "A_scale": "scale_a",
    "B_scale": "scale_b",
    "workspace_buffer": "workspace",
    "topk_indices": "topk_ids",
}


class RecordingOp:
    """An op of this schema that computes nothing and keeps what it is given."""

    def __init__(self, schema: str) -> None:
        parsed = re.fullmatch(r"(\w+)\((.*)\) -> (.*)", schema)
        assert parsed
        self.name, parameters, self.returns = parsed.groups()
        pairs = [parameter.split() for parameter in parameters.split(", ")]
        self.types = {name: type_ for type_, name in pairs}
        self.given: dict[str, Any] = {}
        self.signature = inspect.Signature(
            [
                inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                for name in self.types
            ]
        )

    def __call__(self, *args: object, **kwargs: object) -> list[torch.Tensor] | None:
        self.given = dict(self.signature.bind(*args, **kwargs).arguments)
        return [torch.zeros(1), torch.ones(1)] if self.returns != "()" else None


@pytest.mark.parametrize(
    "schema", SCHEMAS, ids=[schema.split("(")[0] for schema in SCHEMAS]
)
def test_a_call_gives_each_argument_to_the_parameter_it_is_for(
    schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "current_blas_handle", lambda: 7)
    op = RecordingOp(schema)
    module = importlib.import_module(kernel_files()[op.name])
    args = {OUR_NAMES.get(name, name): torch.empty(2, 2) for name in op.types}
    returned = module.call(op, args)
    for name, given in op.given.items():
        assert isinstance(given, TYPES[op.types[name]]), name
        if isinstance(given, torch.Tensor):
            assert given is args[OUR_NAMES.get(name, name)], name
    assert returned.keys() == module.KERNEL.tolerance.keys()
    if op.returns == "()":
        assert all(returned[name] is args[name] for name in returned)
        changed = {name for name, type_ in op.types.items() if type_ == "Tensor!"}
        scratch = {"cumsum_buffer"}
        assert {OUR_NAMES.get(name, name) for name in changed - scratch} <= set(
            returned
        )
