"""Section 8: bytes between chips, and the links that keep them a tenth of the time."""

from collections.abc import Iterator, Sequence

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.confidence import fit_error_pct
from dsprof.analysis.npu.layers import NpuData, SizedLayer
from dsprof.analysis.npu.link_bytes import (
    FORMULAS,
    MoeSizes,
    Parallel,
    all_reduce_bytes,
    all_to_all_bytes,
    between_nodes_bytes,
    kv_transfer_bytes,
)
from dsprof.analysis.npu.section import (
    Confidence,
    Grid,
    Level,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.npu.sharded import sharded_seconds
from dsprof.analysis.numerals import scaled_bytes, significant

LINK_SHARE = 0.1  # of the layer's time
GIGA = 1e9
# One chip; one node's tensor parallelism; DeepSeek-V3's prefill and decode units
# (technical report, arXiv:2412.19437).
USUAL = (Parallel(), Parallel(tp=8), Parallel(ep=32), Parallel(ep=320))


def interconnect(data: NpuData, parallel: Parallel) -> Section:
    """Bytes a token at TP and EP, and the bandwidth that each layer asks of a link."""
    sizes = MoeSizes.of(data.model)
    if sizes is None:
        return Section(
            topic=Topic.INTERCONNECT,
            outside=[_no_sizes(data)],
        )
    shown = list(dict.fromkeys([*USUAL, parallel]))
    return Section(
        topic=Topic.INTERCONNECT,
        findings=[_bytes_finding(sizes, one) for one in shown if one != Parallel()],
        tables=[_byte_table(sizes, shown), *_link_tables(data, sizes, shown)],
        recommendations=list(_link_advice(data, sizes, shown)),
        formulas=FORMULAS,
        outside=[_outside(data, parallel)],
    )


def token_bytes(sizes: MoeSizes, parallel: Parallel) -> float:
    """Sent by a chip for a token in one layer, of all kinds but the KV transfer."""
    return all_reduce_bytes(sizes, parallel.tp) + all_to_all_bytes(sizes, parallel.ep)


def link_bytes_per_s(layer: SizedLayer, sizes: MoeSizes, parallel: Parallel) -> float:
    """What a chip's links must do for a layer to wait at most a tenth of its time."""
    tokens = layer.size.batch_size * layer.size.seq_len
    moved = token_bytes(sizes, parallel) * tokens
    return moved / (LINK_SHARE * sharded_seconds(layer, sizes, parallel))


def node_bytes_per_s(layer: SizedLayer, sizes: MoeSizes, parallel: Parallel) -> float:
    """The same for what crosses nodes."""
    tokens = layer.size.batch_size * layer.size.seq_len
    moved = between_nodes_bytes(sizes, parallel) * tokens
    return moved / (LINK_SHARE * sharded_seconds(layer, sizes, parallel))


def kv_bytes_per_s(layer: SizedLayer, sizes: MoeSizes) -> float:
    """What a prefill chip must do to send its cache in a tenth of the layer's time."""
    tokens = layer.size.batch_size * layer.size.seq_len
    return kv_transfer_bytes(sizes) * tokens / (LINK_SHARE * layer.time_s)


def _bytes_finding(sizes: MoeSizes, parallel: Parallel) -> Finding:
    parts = [
        f"{name} {scaled_bytes(moved)}"
        for name, moved in (
            ("all-reduce", all_reduce_bytes(sizes, parallel.tp)),
            ("dispatch and combine", all_to_all_bytes(sizes, parallel.ep)),
        )
        if moved
    ]
    total = token_bytes(sizes, parallel)
    return found(
        parallel.title,
        f"{', '.join(parts)} a token and layer; "
        f"{scaled_bytes(total * sizes.layers)} in {sizes.layers} layers, each taken "
        "as an MoE layer",
    )


def _byte_table(sizes: MoeSizes, shown: Sequence[Parallel]) -> Grid:
    return Grid(
        title="Bytes that a chip sends for a token in one MoE layer, by formula",
        headings=(
            *("Chips", ">All-reduce", ">Dispatch and combine"),
            *(">Between nodes", ">Sum"),
        ),
        rows=[
            (
                one.title,
                scaled_bytes(all_reduce_bytes(sizes, one.tp)),
                scaled_bytes(all_to_all_bytes(sizes, one.ep)),
                scaled_bytes(between_nodes_bytes(sizes, one)),
                scaled_bytes(token_bytes(sizes, one)),
            )
            for one in shown
        ],
    )


def _link_tables(
    data: NpuData, sizes: MoeSizes, shown: Sequence[Parallel]
) -> Iterator[Grid]:
    if data.layers:
        yield Grid(
            title=(
                "Link bandwidth at which sending takes a tenth of the layer (GB/s a "
                "chip, one direction); the layer's time at that TP and EP in brackets, "
                "us"
            ),
            headings=("Size", *(f">{one.title}" for one in shown)),
            rows=[
                (
                    layer.title,
                    *(_link_cell(layer, sizes, one) for one in shown),
                )
                for layer in data.layers
            ],
        )
        apart = [one for one in shown if one.nodes > 1]
        yield Grid(
            title=(
                "Of that, between nodes of 8 chips (GB/s a chip, one direction), each "
                "token once for each node"
            ),
            headings=("Size", *(f">{one.title}" for one in apart)),
            rows=[
                (
                    layer.title,
                    *(
                        significant(node_bytes_per_s(layer, sizes, one) / GIGA)
                        for one in apart
                    ),
                )
                for layer in data.layers
            ],
        )


def _link_cell(layer: SizedLayer, sizes: MoeSizes, parallel: Parallel) -> str:
    rate = link_bytes_per_s(layer, sizes, parallel)
    layer_us = 1e6 * sharded_seconds(layer, sizes, parallel)
    return f"{significant(rate / GIGA)} ({significant(layer_us)})"


def _link_advice(
    data: NpuData, sizes: MoeSizes, shown: Sequence[Parallel]
) -> Iterator[Recommendation]:
    for title, kind in (
        ("Links inside a node", [one for one in shown if one.tp > 1]),
        ("Links for expert parallelism", [one for one in shown if one.ep > 1]),
    ):
        for phase, layers in (("decode", data.decode), ("prefill", data.prefill)):
            if layers and kind:
                yield _phase_links(f"{title}, {phase}", layers, sizes, kind)
    if data.prefill:
        yield _kv_links(data, sizes)


def _phase_links(
    title: str, layers: list[SizedLayer], sizes: MoeSizes, kind: list[Parallel]
) -> Recommendation:
    rates = {
        (layer.title, one.title): link_bytes_per_s(layer, sizes, one)
        for layer in layers
        for one in kind
    }
    (size, chips), most = max(rates.items(), key=lambda one: one[1])
    deciding = next(layer for layer in layers if layer.title == size)
    own = next(one for one in kind if one.title == chips)
    apart = node_bytes_per_s(deciding, sizes, own)
    between = f", {significant(apart / GIGA)} of it between nodes" if apart else ""
    return advice(
        title,
        f"{significant(most / GIGA)} GB/s a chip and direction{between} ({size}, "
        f"{chips})",
        sensitivity=[
            # The least first: the number itself is the most.
            (-rate, f"{significant(rate / GIGA)} GB/s, {name}, {chips_title}")
            for (name, chips_title), rate in rates.items()
        ],
        confidence=_confidence(deciding),
        labels=deciding.longest(),
    )


def _kv_links(data: NpuData, sizes: MoeSizes) -> Recommendation:
    layer = data.prefill[0]
    rate = kv_bytes_per_s(layer, sizes)
    token = kv_transfer_bytes(sizes)
    return advice(
        "Links from prefill to decode",
        f"{significant(rate / GIGA)} GB/s a prefill chip ({layer.title}); "
        f"{scaled_bytes(token)} a token and layer, "
        f"{scaled_bytes(token * sizes.layers)} a token in all",
        sensitivity=[
            (
                rate,
                (
                    f"half that rate takes {significant(200 * LINK_SHARE)} % of the "
                    f"{significant(layer.time_s * 1e6)} us of a layer, {layer.title}"
                ),
            )
        ],
        confidence=_confidence(layer),
        labels=layer.longest(),
    )


def _confidence(layer: SizedLayer) -> Confidence:
    """Bytes are exact; the time that they are held against is the model's."""
    error = fit_error_pct([layer])
    return Confidence(
        level=Level.LOW,
        reason="bytes follow from the formulas; no link was measured, and the layer's "
        "time on several chips is projected from one chip's, whose fits are off by "
        f"{significant(error)} % on token counts left out",
    )


def _no_sizes(data: NpuData) -> str:
    names = ", ".join(data.model) or "none"
    return (
        "Bytes between chips: they follow from the model's sizes, of which this "
        f"profile names {names}."
    )


def _outside(data: NpuData, parallel: Parallel) -> str:
    return (
        f"Latency, congestion and overlap of links, at {parallel.title} or any other: "
        f"{data.profile.device.name} ran alone in this profile, and nothing of what it "
        "would send was timed."
    )
