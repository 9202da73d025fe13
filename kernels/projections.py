"""The projections of a layer: their sizes, and the precision the model has them in.

DeepSeek-R1-NVFP4-v2 quantises o_proj and the MLPs; the attention projections before
the cache stay BF16 (its model card). GEMMs of every precision are measured at all of
them, and a note marks those that the checkpoint runs in another.
"""

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.spec import Op

BF16_NOTE = "DeepSeek-R1-NVFP4-v2 keeps this projection in BF16."
FP4_NOTE = "DeepSeek-R1-NVFP4-v2 runs this projection in FP4."

# Output and input features.
BF16_PROJECTIONS = {
    "fused_qkv_a_proj": (ds.QKV_A, ds.H),
    "q_b_proj": (ds.Nh * ds.Dq, ds.Lq),
    "kv_b_proj": (ds.Nh * (ds.Dn + ds.Dv), ds.Lkv),
}
FP4_PROJECTIONS = {
    "o_proj": (ds.H, ds.Nh * ds.Dv),
    "shared_experts.gate_up_proj": (2 * ds.I, ds.H),
    "shared_experts.down_proj": (ds.H, ds.I),
    "dense_mlp.gate_up_proj": (2 * ds.DENSE_I, ds.H),
    "dense_mlp.down_proj": (ds.H, ds.DENSE_I),
}


def projection_ops(datapath: Datapath) -> tuple[Op, ...]:
    """Every projection as an op of a GEMM of this precision."""
    bf16_note = "" if datapath is Datapath.BF16_TENSOR else BF16_NOTE
    fp4_note = "" if datapath is Datapath.FP4_TENSOR else FP4_NOTE
    return (
        *(
            Op(name=name, axes={"n": n, "k": k}, note=bf16_note)
            for name, (n, k) in BF16_PROJECTIONS.items()
        ),
        *(
            Op(name=name, axes={"n": n, "k": k}, note=fp4_note)
            for name, (n, k) in FP4_PROJECTIONS.items()
        ),
    )
