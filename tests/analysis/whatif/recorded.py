"""A small profile with enough sizes for a fit: two norms of the model's layer."""

from dsprof.analysis.sizes import ProblemSize
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    LayerKind,
    LayerPath,
    ModelParameter,
    Phase,
    Slot,
)
from tests.conftest import Factory

B4 = ProblemSize(phase=Phase.DECODE, batch_size=4, seq_len=1)
TOKENS = (1, 4, 32, 128, 512, 2048, 8192, 32768)
NORMS = {"rmsnorm": "input_layernorm", "fused_add_rmsnorm": "post_attention_layernorm"}
ROW_BYTES = 2 * 2 * 7168  # bf16, read once and written once
MODEL = (
    ModelParameter(name="num_hidden_layers", value=61, symbol="L"),
    ModelParameter(name="first_k_dense_replace", value=3, symbol="Ld"),
)


def norms_profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    """Decode at eight batch sizes: 2 us and 80 % of the toy GPU's 5 TB/s, cold."""

    def time_us(tokens: int) -> float:
        return 2.0 + tokens * ROW_BYTES / 4e6

    rows = tuple(
        make_measurement(
            kernel=kernel,
            op=op,
            batch_size=tokens,
            m=tokens,
            flops={},
            bytes_read=tokens * ROW_BYTES // 2,
            bytes_written=tokens * ROW_BYTES // 2,
            warm=make_timing(median_us=time_us(tokens)),
            cold=make_timing(median_us=1.0 + time_us(tokens)),
        )
        for kernel, op in NORMS.items()
        for tokens in TOKENS
    )
    slots = tuple(
        Slot(
            phase=Phase.DECODE,
            kernel=kernel,
            op=op,
            path=LayerPath.AS_SERVED,
            layer=LayerKind.BOTH if kernel == "rmsnorm" else LayerKind.MOE,
        )
        for kernel, op in NORMS.items()
    )
    made: Profile = make_profile(slots=slots, measurements=rows, model=MODEL)
    return made
