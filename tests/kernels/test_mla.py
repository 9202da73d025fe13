import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels import mla
from dsprof.kernels.spec import Tensors, Workload

HEADS = 4


def decode_work(
    *, requests: int, kv_len: int, page_size: int = 64, heads: int = HEADS
) -> Workload:
    point = Point(
        kernel="decode",
        op="attn_mqa",
        phase=Phase.DECODE,
        batch_size=requests,
        seq_len=1,
        kv_len=kv_len,
    )
    return Workload(point=point, axes={"heads": heads, "page_size": page_size})


def prefill_work(*, requests: int, seq_len: int, heads: int = HEADS) -> Workload:
    point = Point(
        kernel="prefill",
        op="attn_mha",
        phase=Phase.PREFILL,
        batch_size=requests,
        seq_len=seq_len,
    )
    return Workload(point=point, axes={"heads": heads})


def decode_args(work: Workload) -> Tensors:
    return mla.decode_inputs(work, DeviceTensors("cpu", work.point))


def prefill_args(work: Workload) -> Tensors:
    return mla.prefill_inputs(work, DeviceTensors("cpu", work.point))


def cached_rows(work: Workload, args: Tensors, request: int) -> torch.Tensor:
    """Look up one request's rows one by one, in float64."""
    table, size = args["page_table"], work["page_size"]
    return torch.stack(
        [
            args["kv_cache"][int(table[request, token // size]), token % size]
            for token in range(mla.kv_len(work))
        ]
    ).double()


def test_the_softmax_scale_is_that_of_a_context_stretched_40_times() -> None:
    # 192 ** -0.5 = 0.0721688; 0.1 * ln 40 + 1 = 1.3688879, squared 1.8738542.
    assert pytest.approx(0.135234, abs=1e-6) == mla.SOFTMAX_SCALE


def test_absorbed_attention_is_the_attention_of_a_prompts_last_token() -> None:
    tokens = 9
    work = decode_work(requests=1, kv_len=tokens)
    args = decode_args(work)
    rows = cached_rows(work, args, 0).float()
    latents, rotary_keys = rows[:, :512], rows[:, 512:]
    random = torch.Generator().manual_seed(0)
    to_keys = torch.randn(HEADS, 128, 512, generator=random) / 20
    to_values = torch.randn(HEADS, 512, 128, generator=random) / 20
    query = torch.randn(tokens, HEADS, 192, generator=random)

    key = torch.cat(
        [
            torch.einsum("tc,hdc->thd", latents, to_keys),
            rotary_keys[:, None].expand(-1, HEADS, -1),
        ],
        dim=-1,
    )
    explicit = mla.causal_attention(
        prefill_work(requests=1, seq_len=tokens),
        {
            "query": query,
            "key": key,
            "value": torch.einsum("tc,hcd->thd", latents, to_values),
            "cum_seq_lens": torch.tensor([0, tokens]),
        },
    )["out"][-1]

    absorbed = torch.einsum("hd,hdc->hc", query[-1, :, :128], to_keys)
    args["query"] = torch.cat([absorbed, query[-1, :, 128:]], dim=-1)[None]
    latent_out = mla.absorbed_attention(work, args)["out"][0]
    out = torch.einsum("hc,hcd->hd", latent_out, to_values)
    torch.testing.assert_close(out, explicit, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("page_size", [2, 64, 128])
def test_absorbed_attention_is_a_softmax_over_the_requests_own_rows(
    page_size: int,
) -> None:
    work = decode_work(requests=3, kv_len=5, page_size=page_size, heads=2)
    args = decode_args(work)
    out = mla.absorbed_attention(work, args)["out"]
    assert out.shape == (3, 2, 512)
    for request in range(3):
        rows = cached_rows(work, args, request)
        for head in range(2):
            query = args["query"][request, head].double()
            weights = [math.exp(0.135234 * float(query @ row)) for row in rows]
            expected = sum(w * row[:512] for w, row in zip(weights, rows, strict=True))
            torch.testing.assert_close(
                out[request, head].double(),
                expected / sum(weights),
                rtol=1e-4,
                atol=1e-4,
            )


def test_a_kernel_that_ignores_the_page_table_gives_another_result() -> None:
    work = decode_work(requests=2, kv_len=300)
    args = decode_args(work)
    expected = mla.absorbed_attention(work, args)["out"]
    in_order = torch.arange(args["page_table"].numel(), dtype=torch.int32)
    args["page_table"] = in_order.view_as(args["page_table"])
    assert not torch.allclose(mla.absorbed_attention(work, args)["out"], expected)


def test_rows_after_the_last_token_are_not_attended() -> None:
    work = decode_work(requests=1, kv_len=70)
    args = decode_args(work)
    expected = mla.absorbed_attention(work, args)["out"]
    args["kv_cache"][int(args["page_table"][0, 1]), 6:] = 1000.0
    assert torch.equal(mla.absorbed_attention(work, args)["out"], expected)


@given(
    requests=st.integers(1, 4),
    kv_len=st.integers(1, 600),
    page_size=st.sampled_from([32, 64, 128]),
)
def test_a_table_has_whole_tiles_of_pages_that_no_one_else_has(
    requests: int, kv_len: int, page_size: int
) -> None:
    work = decode_work(requests=requests, kv_len=kv_len, page_size=page_size)
    args = mla.decode_inputs(work, DeviceTensors("cpu", work.point))
    table = args["page_table"]
    assert table.dtype == torch.int32
    assert table.shape[0] == requests
    assert table.shape[1] % (128 / page_size) == 0
    assert kv_len <= table.shape[1] * page_size < kv_len + 128
    assert sorted(table.flatten().tolist()) == list(range(table.numel()))
    assert args["kv_cache"].shape == (table.numel(), page_size, 576)
    assert args["seq_lens"].tolist() == [kv_len] * requests


def test_causal_attention_sees_what_precedes_a_token_in_its_own_prompt() -> None:
    work = prefill_work(requests=2, seq_len=5, heads=2)
    args = prefill_args(work)
    query, key, value = (args[name].double() for name in ("query", "key", "value"))
    out = mla.causal_attention(work, args)["out"]
    for token in range(10):
        start = 5 * (token // 5)
        for head in range(2):
            seen = range(start, token + 1)
            weights = [
                math.exp(0.135234 * float(query[token, head] @ key[other, head]))
                for other in seen
            ]
            expected = sum(
                w * value[other, head] for w, other in zip(weights, seen, strict=True)
            )
            torch.testing.assert_close(
                out[token, head].double(),
                expected / sum(weights),
                rtol=1e-4,
                atol=1e-4,
            )


def test_the_prefill_reference_takes_every_head_whatever_their_number() -> None:
    heads = mla.HEADS_AT_ONCE + 3
    work = prefill_work(requests=1, seq_len=3, heads=heads)
    args = prefill_args(work)
    out = mla.causal_attention(work, args)["out"]
    # A prompt's first token attends to itself alone.
    assert torch.equal(out[0], args["value"][0].float())
    assert bool(out.isfinite().all())


def test_prompts_lie_one_after_another_and_values_beside_key_parts() -> None:
    work = prefill_work(requests=3, seq_len=4)
    args = prefill_args(work)
    assert args["cum_seq_lens"].tolist() == [0, 4, 8, 12]
    assert args["seq_lens"].tolist() == [4, 4, 4]
    assert {args["seq_lens"].dtype, args["cum_seq_lens"].dtype} == {torch.int32}
    assert args["query"].shape == args["key"].shape == (12, HEADS, 192)
    assert args["query"].is_contiguous()
    assert args["key"].is_contiguous()
    assert args["value"].shape == (12, HEADS, 128)
    assert args["value"].stride() == (HEADS * 256, 256, 1)
    assert args["value"].storage_offset() == 128


@pytest.mark.parametrize(
    ("requests", "kv_len", "moved_bytes"),
    [
        # 128 * 576 * 2 of query, 1024 * 576 * 2 of cache, 128 * 512 * 2 of output,
        # and 16 pages of 64 rows, 4 bytes each.
        (1, 1024, 147_456 + 1_179_648 + 131_072 + 64),
        (1, 8192, 147_456 + 9_437_184 + 131_072 + 512),
        (128, 1024, 128 * 1_458_240),
    ],
)
def test_bf16_decode_moves_each_row_once(
    requests: int, kv_len: int, moved_bytes: int
) -> None:
    work = decode_work(requests=requests, kv_len=kv_len, heads=128)
    cost = mla.decode_cost_bf16(work)
    assert cost.bytes_read + cost.bytes_written == moved_bytes
    assert cost.flops == {Datapath.BF16_TENSOR: 278_528 * requests * kv_len}


def test_one_request_of_1024_tokens_has_an_intensity_of_196() -> None:
    cost = mla.decode_cost_bf16(decode_work(requests=1, kv_len=1024, heads=128))
    moved = cost.bytes_read + cost.bytes_written
    assert moved == 1_458_240
    assert cost.flops[Datapath.BF16_TENSOR] / moved == pytest.approx(195.6, abs=0.05)


def test_a_last_page_that_is_not_full_is_still_one_entry() -> None:
    for kv_len, pages in ((64, 1), (65, 2), (129, 3)):
        work = decode_work(requests=1, kv_len=kv_len, heads=128)
        assert mla.decode_cost_bf16(work).bytes_read == (
            2 * 576 * (128 + kv_len) + 4 * pages
        )


@pytest.mark.parametrize(
    ("requests", "seq_len", "flops"),
    [
        # 128 heads * 2 * (192 + 128) FLOP = 81,920 for each of S * (S + 1) / 2 pairs.
        (1, 1024, 81_920 * 524_800),
        (1, 2048, 81_920 * 2_098_176),
        (8, 128, 8 * 81_920 * 8_256),
    ],
)
def test_prefill_costs_one_product_a_pair_and_160_kib_a_token(
    requests: int, seq_len: int, flops: int
) -> None:
    work = prefill_work(requests=requests, seq_len=seq_len, heads=128)
    cost = mla.prefill_cost(work)
    assert cost.flops == {Datapath.BF16_TENSOR: flops}
    # 2 * 192 of query and key and 128 of value in, 128 of output, 128 heads, 2 bytes.
    assert cost.bytes_read + cost.bytes_written == 163_840 * requests * seq_len


def test_shapes_are_tokens_and_the_width_of_an_output_row() -> None:
    decode = decode_work(requests=4, kv_len=1024, heads=128)
    prefill = prefill_work(requests=2, seq_len=8, heads=128)
    assert mla.decode_shape(decode) == (4, 65_536, 0)
    assert mla.prefill_shape(prefill) == (16, 16_384, 0)
