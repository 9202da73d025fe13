"""Multi-head latent attention: absorbed over a paged latent cache, and explicit.

Decode absorbs the projections of keys and values into the query and the output, so
that all heads share one cached row a token: 512 latent values, which are its value as
well, and 64 rotary ones (DeepSeek-V2, arXiv 2405.04434, section 2.1). Prefill has keys
and values a head.
"""

import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase
from dsprof.kernels import deepseek as ds
from dsprof.kernels.spec import Cost, TensorMaker, Tensors, Traffic, Workload

if TYPE_CHECKING:
    import torch

ROW = ds.Lkv + ds.Dr  # of the cache, and of an absorbed query: 576

# One over the root of the key's width, times the square of the factor by which YaRN
# (arXiv 2309.00071, section 3.4) sharpens attention over a context stretched 40-fold.
SOFTMAX_SCALE = ds.Dq**-0.5 * (0.1 * math.log(40) + 1) ** 2

TILE_ROWS = 128  # tables of the Blackwell kernels have whole tiles of cached rows

# What flashinfer recommends for its wrappers, and what SGLang gives the TensorRT-LLM
# kernels, which expect zeros there.
FLASHINFER_WORKSPACE_BYTES = 128 * 1024 * 1024
TRTLLM_WORKSPACE_BYTES = 150 * 1024 * 1024

DECODE = (Phase.DECODE,)
PREFILL = (Phase.PREFILL,)

HEADS_AT_ONCE = 16  # of the prefill reference: 256 MiB of scores at 2048 tokens


def kv_len(work: Workload) -> int:
    """Return the tokens that every request has in the cache."""
    assert work.point.kv_len is not None  # noqa: S101 -- sweeps give these kernels one
    return work.point.kv_len


def used_pages(work: Workload) -> int:
    """Return the pages that hold one request's tokens."""
    return -(-kv_len(work) // work["page_size"])


def table_pages(work: Workload) -> int:
    """Return the entries of one request's page table: whole tiles of 128 rows."""
    pages_per_tile = TILE_ROWS // work["page_size"]
    return -(-used_pages(work) // pages_per_tile) * pages_per_tile


def decode_inputs(
    work: Workload, make: TensorMaker, dtype: str = "bfloat16"
) -> Tensors:
    """One query a request and a cache of ``kv_len`` tokens each, in shuffled pages.

    Query (B, heads, 576), its first 512 columns absorbed and its last 64 rotary;
    kv_cache (pages, page_size, 576); page_table int32 (B, table_pages), all entries
    different; seq_lens int32 (B). Rows of the last page beyond ``kv_len`` are random
    as well, so that reading them shows.
    """
    import torch

    requests, pages = work.tokens, table_pages(work)
    kv_cache = make.normal(requests * pages, work["page_size"], ROW, dtype=dtype)
    order = make.normal(requests * pages, dtype="float32").argsort().to(torch.int32)
    return {
        "query": make.normal(requests, work["heads"], ROW, dtype=dtype),
        "kv_cache": kv_cache,
        "page_table": order.view(requests, pages),
        "seq_lens": make.zeros(requests, dtype="int32") + kv_len(work),
    }


def decode_inputs_and_out(
    work: Workload, make: TensorMaker, dtype: str = "bfloat16"
) -> Tensors:
    """The same, and out (B, heads, 512) for a kernel that is given its output."""
    out = make.output(work.tokens, work["heads"], ds.Lkv)
    return {**decode_inputs(work, make, dtype), "out": out}


def absorbed_attention(_work: Workload, args: Tensors) -> Tensors:
    """Softmax over the request's cached rows, whose first 512 columns it averages."""
    import torch

    page_size = args["kv_cache"].shape[1]
    out = []
    for request, length in enumerate(args["seq_lens"].tolist()):
        pages = args["page_table"][request, : -(-length // page_size)].long()
        rows = args["kv_cache"][pages].float().flatten(0, 1)[:length]
        scores = args["query"][request].float() @ rows.T
        out.append(torch.softmax(scores * SOFTMAX_SCALE, dim=-1) @ rows[:, : ds.Lkv])
    return {"out": torch.stack(out)}


def decode_cost(work: Workload, *, datapath: Datapath, element_bytes: int) -> Cost:
    """2 * (576 + 512) FLOP a head and cached token: scores, then their average.

    Compulsory are each cached row once for all heads, queries of ``element_bytes`` an
    element, the BF16 outputs, and one table entry a page. The softmax's few FLOP a
    score and the lengths, 4 bytes a request, are not counted.
    """
    requests, heads, length = work.tokens, work["heads"], kv_len(work)
    rows = requests * (heads + length)
    return Cost(
        flops={datapath: 2 * requests * heads * length * (ROW + ds.Lkv)},
        bytes_read=element_bytes * ROW * rows + 4 * requests * used_pages(work),
        bytes_written=_out_bytes(work),
    )


def decode_cost_bf16(work: Workload) -> Cost:
    return decode_cost(work, datapath=Datapath.BF16_TENSOR, element_bytes=2)


def decode_traffic(*, allocates: bool) -> Traffic:
    """What decode moves; ``allocates`` says that the kernel makes its own output."""
    return Traffic(
        read=("query", "kv_cache", "page_table"),
        written=() if allocates else ("out",),
        allocated_bytes=_out_bytes if allocates else _nothing,
        share={
            "kv_cache": lambda work: Fraction(
                kv_len(work), table_pages(work) * work["page_size"]
            ),
            "page_table": lambda work: Fraction(used_pages(work), table_pages(work)),
        },
    )


def decode_shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K: requests, width of an output row, 0; the cache's length is kv_len."""
    return work.tokens, work["heads"] * ds.Lkv, 0


def _out_bytes(work: Workload) -> int:
    return 2 * work.tokens * work["heads"] * ds.Lkv


def _nothing(_work: Workload) -> int:
    return 0


def prefill_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Whole prompts, one after another: query and key (tokens, heads, 192).

    Value (tokens, heads, 128) is, as in the model, the second half of each head in the
    kv_b output (tokens, heads, 256). seq_lens int32 (B), cum_seq_lens int32 (B + 1)
    from 0, out (tokens, heads, 128).
    """
    import torch

    requests, tokens, heads = work.point.batch_size, work.tokens, work["heads"]
    keys_and_values = make.normal(tokens, heads, ds.Dn + ds.Dv)
    seq_lens = make.zeros(requests, dtype="int32") + work.point.seq_len
    cum_seq_lens = make.zeros(requests + 1, dtype="int32")
    cum_seq_lens[1:] = seq_lens.cumsum(0, dtype=torch.int32)
    return {
        "query": make.normal(tokens, heads, ds.Dq),
        "key": make.normal(tokens, heads, ds.Dq),
        "value": keys_and_values[..., ds.Dn :],
        "seq_lens": seq_lens,
        "cum_seq_lens": cum_seq_lens,
        "out": make.output(tokens, heads, ds.Dv),
    }


def causal_attention(_work: Workload, args: Tensors) -> Tensors:
    """Softmax of each token over itself and what precedes it in its own prompt."""
    import torch

    query, key, value = args["query"], args["key"], args["value"]
    out = torch.empty(value.shape, dtype=torch.float32, device=value.device)
    for start, end in pairwise(args["cum_seq_lens"].tolist()):
        for first in range(0, query.shape[1], HEADS_AT_ONCE):
            part = slice(start, end), slice(first, first + HEADS_AT_ONCE)
            q, k, v = (x[part].float().transpose(0, 1) for x in (query, key, value))
            out[part] = (_causal_weights(q, k) @ v).transpose(0, 1)
    return {"out": out}


def _causal_weights(q: "torch.Tensor", k: "torch.Tensor") -> "torch.Tensor":
    """Softmax of the scores (heads, n, n), with the future masked out."""
    import torch

    n = q.shape[1]
    future = torch.ones(n, n, dtype=torch.bool, device=q.device).triu_(1)
    scores = (q @ k.transpose(1, 2)).mul_(SOFTMAX_SCALE)
    return torch.softmax(scores.masked_fill_(future, -math.inf), dim=-1)


def prefill_cost(work: Workload) -> Cost:
    """2 * (192 + 128) FLOP a head and pair of a token with itself or an earlier one.

    S * (S + 1) / 2 pairs a prompt; every query, key, value and output once, in BF16.
    The softmax's FLOP and the lengths are not counted.
    """
    requests, seq_len, heads = work.point.batch_size, work.point.seq_len, work["heads"]
    pairs = requests * seq_len * (seq_len + 1) // 2
    return Cost(
        flops={Datapath.BF16_TENSOR: 2 * (ds.Dq + ds.Dv) * heads * pairs},
        bytes_read=2 * (2 * ds.Dq + ds.Dv) * heads * work.tokens,
        bytes_written=2 * ds.Dv * heads * work.tokens,
    )


PREFILL_TRAFFIC = Traffic(read=("query", "key", "value"), written=("out",))


def prefill_shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K: tokens, width of an output row, 0."""
    return work.tokens, work["heads"] * ds.Dv, 0
