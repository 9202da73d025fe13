from dataclasses import replace

import pytest

from dsprof.analysis.whatif.residency import Held
from dsprof.analysis.whatif.resident_sets import layer_sets
from dsprof.harness.records import ModelParameter, Phase
from tests.analysis.whatif.hand_made import make_call, make_layer
from tests.conftest import Factory

MLA = (
    ModelParameter(name="kv_lora_rank", value=512, symbol="Lkv"),
    ModelParameter(name="qk_rope_head_dim", value=64, symbol="Dr"),
)
EXPERTS = (
    ModelParameter(name="n_routed_experts", value=256, symbol="E"),
    ModelParameter(name="num_experts_per_tok", value=8, symbol="K"),
)
CALLS = (
    make_call(hbm=10, tensor=1),  # 50 MB of weights
    make_call(hbm=2, vector=1, op="gate"),  # the router, without a tensor core: 10 MB
    make_call(hbm=80, tensor=1, op="experts (down)", category="MoE"),
    make_call(hbm=30, tensor=9, op="attn_mqa", category="Attention"),
    make_call(hbm=30, vector=1, op="norm", category="Norm"),
)


def test_the_latent_cache_is_576_numbers_of_two_bytes_a_token(
    make_profile: Factory,
) -> None:
    layers = [
        make_layer(*CALLS, batch_size=b, kv_len=kv) for b in (128, 1) for kv in (4096,)
    ]
    found = layer_sets(make_profile(model=MLA), layers)
    # 4096 x 576 x 2 bytes = 4.72 MB a request
    assert [(one.batch_size, one.bytes) for one in found.kv] == [
        (1, 4_718_592),
        (128, 603_979_776),
    ]
    assert found.kv[0].source == "1 x 4096 x 576 x 2 bytes"


def test_weights_are_footprints_of_matrix_products_at_the_fewest_tokens(
    make_profile: Factory,
) -> None:
    small = make_layer(*CALLS, batch_size=1)
    large = make_layer(*(replace(call, footprint_bytes=9e9) for call in CALLS))
    found = layer_sets(make_profile(model=(*MLA, *EXPERTS)), [large, small])
    assert found.dense is not None
    assert found.dense.bytes == pytest.approx(60e6)
    assert "decode B=1" in found.dense.source
    assert found.chosen_experts is not None
    assert found.all_experts is not None
    # 8 of 256 experts are 400 MB.
    assert found.all_experts.bytes == pytest.approx(400e6 * 32)
    assert [part.title for part in found.weights] == [
        "weights outside the routed experts",
        "routed experts that 1 token chose",
        "all routed experts",
    ]


def test_what_the_profile_does_not_say_is_left_out(make_profile: Factory) -> None:
    bare = layer_sets(make_profile(), [make_layer(*CALLS)])
    assert bare.kv == ()
    assert bare.all_experts is None
    prefill = make_layer(*CALLS, phase=Phase.PREFILL, kv_len=None, seq_len=128)
    none = layer_sets(make_profile(model=MLA), [prefill], Held())
    assert (none.weights, none.kv) == ((), ())
