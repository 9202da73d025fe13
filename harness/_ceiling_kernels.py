"""Device code of the measured roofs: streams, reads out of L2, and chains of FMA."""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import triton
import triton.language as tl

# A program's first element is int64 everywhere: buffers may exceed 2**31 bytes.


@triton.jit
def read(x, sums, STEPS: tl.constexpr, BLOCK: tl.constexpr) -> None:
    """Write the sum, modulo 2**32, of each program's STEPS * BLOCK words of x."""
    first = tl.program_id(0).to(tl.int64) * (STEPS * BLOCK)
    lane = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.int32)
    for step in range(STEPS):
        total += tl.load(x + first + step * BLOCK + lane)
    # Of int64: the interpreter does not let an int32 sum wrap.
    tl.store(sums + tl.program_id(0), tl.sum(total.to(tl.int64), 0).to(tl.int32))


@triton.jit
def write(y, value, STEPS: tl.constexpr, BLOCK: tl.constexpr) -> None:
    """Write value + i mod BLOCK to word i of y."""
    first = tl.program_id(0).to(tl.int64) * (STEPS * BLOCK)
    lane = tl.arange(0, BLOCK)
    for step in range(STEPS):
        tl.store(y + first + step * BLOCK + lane, lane + value)


@triton.jit
def copy(x, y, STEPS: tl.constexpr, BLOCK: tl.constexpr) -> None:
    first = tl.program_id(0).to(tl.int64) * (STEPS * BLOCK)
    lane = tl.arange(0, BLOCK)
    for step in range(STEPS):
        at = first + step * BLOCK
        tl.store(y + at + lane, tl.load(x + at + lane))


@triton.jit
def triad(a, b, c, factor, STEPS: tl.constexpr, BLOCK: tl.constexpr) -> None:
    """Write a = b + factor * c."""
    first = tl.program_id(0).to(tl.int64) * (STEPS * BLOCK)
    lane = tl.arange(0, BLOCK)
    for step in range(STEPS):
        at = first + step * BLOCK
        product = tl.load(c + at + lane) * factor
        tl.store(a + at + lane, tl.load(b + at + lane) + product)


@triton.jit
def read_often(x, sums, chunks, PASSES: tl.constexpr, BLOCK: tl.constexpr) -> None:
    """Write the sum, modulo 2**32, of PASSES chunks of BLOCK words of x.

    Program i begins at chunk i and goes on with the one after, from the last to the
    first. No chunk is read twice by a program, and ``.cg`` keeps L1 out of it.
    """
    chunk = tl.program_id(0)
    lane = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.int32)
    for _ in range(PASSES):
        total += tl.load(x + chunk * BLOCK + lane, cache_modifier=".cg")
        chunk = tl.where(chunk + 1 == chunks, 0, chunk + 1)
    # Of int64: the interpreter does not let an int32 sum wrap.
    tl.store(sums + tl.program_id(0), tl.sum(total.to(tl.int64), 0).to(tl.int32))


@triton.jit
def multiply_add(
    x,
    y,
    factor,
    addend,
    STEPS: tl.constexpr,
    UNROLL: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Write y = x after STEPS * UNROLL times x = x * factor + addend.

    An element is a chain of its own: a thread of BLOCK / threads elements has as
    many instructions that do not wait for one another.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at)
    for _ in range(STEPS):
        for _ in tl.static_range(UNROLL):
            value = tl.fma(value, factor, addend)
    tl.store(y + at, value)
