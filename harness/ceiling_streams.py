"""Loads that move bytes: HBM read, write, copy and triad, and reads out of L2.

All are Triton kernels: a captured ``copy_`` becomes a memcpy node of the graph, which
reached 2.8 TB/s on an H200.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dsprof.harness.ceiling_load import Board, Load, Shape

if TYPE_CHECKING:
    import torch

WORD_BYTES = 4  # everything is 32-bit words
CHECKED_WORDS = 2**26  # at a time, so that a check needs less memory than a buffer
SEED_WORD = 0x5EED_0000
TRIAD_FACTOR = 1.7
TRIAD_LIMIT = 4e-6  # of values up to 16, rounded twice
STREAM_SHAPES = (
    Shape(block=2048, steps=1, warps=4),
    Shape(block=4096, steps=1, warps=4),
    Shape(block=8192, steps=1, warps=8),
    Shape(block=4096, steps=8, warps=4),
    Shape(block=8192, steps=16, warps=8),
)
# A buffer is a multiple of this: no program reaches beyond its end.
BUFFER_UNIT_BYTES = WORD_BYTES * max(s.block * s.steps for s in STREAM_SHAPES)
L2_SHARE = 4  # the working set of an L2 read is a quarter of L2
L2_PASSES = 64
L2_SHAPES = (
    Shape(block=2048, steps=L2_PASSES, warps=4),
    Shape(block=4096, steps=L2_PASSES, warps=8),
    Shape(block=8192, steps=L2_PASSES, warps=8),
)


def read_loads(board: Board, buffer_bytes: int) -> list[Load]:
    """Sum a buffer of random words; each program writes one sum."""
    import torch

    from dsprof.harness import _ceiling_kernels as kernels

    x = _random_words(buffer_bytes, board)

    def load(shape: Shape) -> Load:
        words = shape.block * shape.steps
        sums = torch.empty(x.numel() // words, dtype=torch.int32, device=board.device)

        def call() -> None:
            kernels.read[sums.numel(),](
                x, sums, STEPS=shape.steps, BLOCK=shape.block, num_warps=shape.warps
            )

        return Load(
            call=call,
            amount=x.nbytes,
            work=f"{_size(x)}, {shape}",
            output=sums,
            count_wrong=lambda: _count(sums != _sums(x, words)),
        )

    return [load(shape) for shape in STREAM_SHAPES]


def write_loads(board: Board, buffer_bytes: int) -> list[Load]:
    """Fill a buffer with words that count up within a program."""
    import torch

    from dsprof.harness import _ceiling_kernels as kernels

    y = _empty_words(buffer_bytes, board)

    def load(shape: Shape) -> Load:
        block = torch.arange(shape.block, dtype=torch.int32, device=board.device)
        expected = block + SEED_WORD

        def call() -> None:
            kernels.write[_programs(y, shape),](
                y,
                SEED_WORD,
                STEPS=shape.steps,
                BLOCK=shape.block,
                num_warps=shape.warps,
            )

        return Load(
            call=call,
            amount=y.nbytes,
            work=f"{_size(y)}, {shape}",
            output=y,
            count_wrong=lambda: sum(
                _count(part.view(-1, shape.block) != expected) for (part,) in _parts(y)
            ),
        )

    return [load(shape) for shape in STREAM_SHAPES]


def copy_loads(board: Board, buffer_bytes: int) -> list[Load]:
    """Copy a buffer of random words to another."""
    from dsprof.harness import _ceiling_kernels as kernels

    x, y = _random_words(buffer_bytes, board), _empty_words(buffer_bytes, board)

    def load(shape: Shape) -> Load:
        def call() -> None:
            kernels.copy[_programs(x, shape),](
                x, y, STEPS=shape.steps, BLOCK=shape.block, num_warps=shape.warps
            )

        return Load(
            call=call,
            amount=x.nbytes + y.nbytes,
            work=f"2 buffers of {_size(x)}, {shape}",
            output=y,
            count_wrong=lambda: sum(_count(ours != own) for own, ours in _parts(x, y)),
        )

    return [load(shape) for shape in STREAM_SHAPES]


def triad_loads(board: Board, buffer_bytes: int) -> list[Load]:
    """A = b + s * c in FP32, on random-normal buffers."""
    import torch

    from dsprof.harness import _ceiling_kernels as kernels

    words = buffer_bytes // WORD_BYTES
    b, c = (torch.randn(words, device=board.device) for _ in range(2))
    a = torch.empty_like(b)

    def count_wrong() -> int:
        return sum(
            _count(~((ours - x - TRIAD_FACTOR * y).abs() <= TRIAD_LIMIT))
            for ours, x, y in _parts(a, b, c)
        )

    def load(shape: Shape) -> Load:
        def call() -> None:
            kernels.triad[_programs(a, shape),](
                *(a, b, c, TRIAD_FACTOR),
                STEPS=shape.steps,
                BLOCK=shape.block,
                num_warps=shape.warps,
            )

        return Load(
            call=call,
            amount=a.nbytes + b.nbytes + c.nbytes,
            work=f"3 buffers of {_size(a)}, {shape}",
            output=a,
            count_wrong=count_wrong,
        )

    return [load(shape) for shape in STREAM_SHAPES]


def l2_read_loads(board: Board, shapes: Sequence[Shape] = L2_SHAPES) -> list[Load]:
    """Sum a working set that stays in L2, many times a launch."""
    import torch

    from dsprof.harness import _ceiling_kernels as kernels

    def load(shape: Shape) -> Load:
        chunks = board.l2_bytes // L2_SHARE // (shape.block * WORD_BYTES)
        x = _random_words(chunks * shape.block * WORD_BYTES, board)
        sums = torch.empty(chunks, dtype=torch.int32, device=board.device)

        def call() -> None:
            kernels.read_often[chunks,](
                *(x, sums, chunks),
                PASSES=shape.steps,
                BLOCK=shape.block,
                num_warps=shape.warps,
            )

        def count_wrong() -> int:
            own = _sums(x, shape.block)
            expected = torch.zeros_like(own)
            for turn in range(shape.steps):
                expected += own.roll(-turn)
            return _count(sums != expected)

        return Load(
            call=call,
            amount=x.nbytes * shape.steps,
            work=f"{_size(x)} in L2, {shape}",
            output=sums,
            count_wrong=count_wrong,
        )

    return [load(shape) for shape in shapes]


def _random_words(size_bytes: int, board: Board) -> "torch.Tensor":
    """Words of 32 random bits: their sums modulo 2**32 can be compared exactly."""
    import torch

    return torch.randint(
        -(2**31),
        2**31 - 1,
        (size_bytes // WORD_BYTES,),
        dtype=torch.int32,
        device=board.device,
    )


def _empty_words(size_bytes: int, board: Board) -> "torch.Tensor":
    import torch

    return torch.empty(size_bytes // WORD_BYTES, dtype=torch.int32, device=board.device)


def _programs(buffer: "torch.Tensor", shape: Shape) -> int:
    return buffer.numel() // (shape.block * shape.steps)


def _parts(*buffers: "torch.Tensor") -> "Iterator[tuple[torch.Tensor, ...]]":
    return zip(*(buffer.split(CHECKED_WORDS) for buffer in buffers), strict=True)


def _sums(x: "torch.Tensor", words: int) -> "torch.Tensor":
    """Sums of so many words each, modulo 2**32."""
    import torch

    sums = [part.view(-1, words).sum(1).to(torch.int32) for (part,) in _parts(x)]
    return torch.cat(sums)


def _count(wrong: "torch.Tensor") -> int:
    return int(wrong.sum())


def _size(buffer: "torch.Tensor") -> str:
    mib = buffer.nbytes / 2**20
    return f"{mib / 1024:.4g} GiB" if mib >= 1024 else f"{mib:.4g} MiB"  # noqa: PLR2004 -- MiB a GiB
