"""Which points a run measures, and in which order."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from dsprof.harness.errors import UsageError
from dsprof.harness.records import ALL_PROVIDERS, Cache, Phase, Point, Sweep
from dsprof.kernels.spec import Kernel

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SEQ_LENS = (128, 256, 512, 1024, 2048)
KV_LENS = (1024, 4096)
# Prefill batches: the first four, so that the largest prefill is 16384 tokens.
PREFILL_BATCH_SIZES = 4
# Sizes that counters are captured at: latency and throughput of either phase.
CAPTURED_SIZES = (
    (Phase.DECODE, 1, 1),
    (Phase.DECODE, 128, 1),
    (Phase.PREFILL, 1, 1024),
    (Phase.PREFILL, 8, 2048),
)
CAPTURED_KV_LEN = 4096
WARMUPS = 10
REPLAYS = 100
TIMEOUT_S = 60.0


def make_sweep(kernels: Sequence[Kernel], **changes: Any) -> Sweep:  # noqa: ANN401 -- Sweep's fields
    """Build the default sweep over these kernels, with these fields changed.

    An op that none of the kernels has raises UsageError.
    """
    known = list(dict.fromkeys(op.name for kernel in kernels for op in kernel.ops))
    for op in changes.get("ops", ()):
        if op not in known:
            raise UsageError(
                f"No op '{op}' in these kernels. Known: {', '.join(known)}."
            )
    _check_provider(changes.get("provider", ""), kernels)
    default = Sweep(
        kernels=tuple(kernel.name for kernel in kernels),
        ops=(),
        phases=tuple(Phase),
        decode_batch_sizes=BATCH_SIZES,
        prefill_batch_sizes=BATCH_SIZES[:PREFILL_BATCH_SIZES],
        seq_lens=SEQ_LENS,
        kv_lens=KV_LENS,
        caches=tuple(Cache),
        timer="graph",
        warmups=WARMUPS,
        replays=REPLAYS,
        timeout_s=TIMEOUT_S,
    )
    return replace(default, **changes)


def _check_provider(name: str, kernels: Sequence[Kernel]) -> None:
    known = dict.fromkeys(p.name for kernel in kernels for p in kernel.providers)
    if name and name not in {*known, ALL_PROVIDERS}:
        raise UsageError(
            f"No provider '{name}' of these kernels. "
            f"Known: {', '.join(known)}, {ALL_PROVIDERS}."
        )


def plan(sweep: Sweep, kernels: Sequence[Kernel]) -> list[Point]:
    """List every point of the sweep: kernel by kernel, op by op, decode first."""
    return [
        Point(
            kernel=kernel.name,
            op=op.name,
            phase=phase,
            batch_size=batch_size,
            seq_len=seq_len,
            kv_len=kv_len,
            provider=provider,
        )
        for kernel in kernels
        for op in kernel.ops
        if op.name in sweep.ops or not (sweep.ops or op.on_request)
        for phase in Phase
        if phase in sweep.phases and phase in kernel.phases
        for batch_size, seq_len in _sizes(sweep, phase)
        for kv_len in _kv_lens(sweep, kernel, phase)
        for provider in _providers(sweep, kernel)
    ]


def plan_captured(sweep: Sweep, kernels: Sequence[Kernel]) -> list[Point]:
    """List the points of CAPTURED_SIZES, for the sweep's ops, phases and provider."""
    decode, prefill = (
        tuple(dict.fromkeys(b for phase, b, _ in CAPTURED_SIZES if phase is wanted))
        for wanted in (Phase.DECODE, Phase.PREFILL)
    )
    lens = dict.fromkeys(s for phase, _, s in CAPTURED_SIZES if phase is Phase.PREFILL)
    around = replace(
        sweep,
        decode_batch_sizes=decode,
        prefill_batch_sizes=prefill,
        seq_lens=tuple(lens),
        kv_lens=(CAPTURED_KV_LEN,),
    )
    return [
        point
        for point in plan(around, kernels)
        if (point.phase, point.batch_size, point.seq_len) in CAPTURED_SIZES
    ]


def _sizes(sweep: Sweep, phase: Phase) -> Iterator[tuple[int, int]]:
    if phase is Phase.DECODE:
        return ((batch_size, 1) for batch_size in sweep.decode_batch_sizes)
    return (
        (batch_size, seq_len)
        for batch_size in sweep.prefill_batch_sizes
        for seq_len in sweep.seq_lens
    )


def _kv_lens(sweep: Sweep, kernel: Kernel, phase: Phase) -> Sequence[int | None]:
    if kernel.has_kv_axis and phase is Phase.DECODE:
        return sweep.kv_lens
    return (None,)


def _providers(sweep: Sweep, kernel: Kernel) -> Sequence[str]:
    if sweep.provider == ALL_PROVIDERS:
        return [provider.name for provider in kernel.providers]
    return (sweep.provider,)


def reproduce_command(point: Point, sweep: Sweep) -> str:
    """Return the command line that measures this point alone, as the sweep did."""
    words = ["dsprof", "time", "--kernels", point.kernel, "--ops", point.op]
    words += ["--phase", point.phase, "--batch-sizes", str(point.batch_size)]
    if point.phase is Phase.PREFILL:
        words += ["--seq-lens", str(point.seq_len)]
    if point.kv_len is not None:
        words += ["--kv-lens", str(point.kv_len)]
    if point.provider:
        words += ["--provider", point.provider]
    if sweep.caches == (Cache.WARM,):
        words += ["--l2", "warm"]
    if sweep.timer != "graph":
        words += ["--timer", sweep.timer]
    if sweep.replays != REPLAYS:
        words += ["--replays", str(sweep.replays)]
    return shlex.join(words)
