import json
import shlex
from collections import Counter

import pytest
from click.testing import CliRunner

from dsprof.harness.cli import cli
from dsprof.harness.errors import UsageError
from dsprof.harness.plain import from_plain
from dsprof.harness.records import Cache, Phase, Point
from dsprof.harness.sweep import make_sweep, plan, reproduce_command
from dsprof.kernels.registry import load_kernel, load_kernels
from tests.harness.toy import KERNELS


def test_the_default_sweep_has_8_decode_and_20_prefill_points_an_op() -> None:
    kernels = load_kernels()
    points = plan(make_sweep(kernels), kernels)
    counts = Counter(
        (point.kernel, point.op, point.phase, point.kv_len) for point in points
    )
    assert {
        phase: {counts[key] for key in counts if key[2] is phase} for phase in Phase
    } == {
        Phase.DECODE: {8},
        Phase.PREFILL: {20},
    }


def test_decode_has_one_token_a_request_and_prefill_the_whole_prompt() -> None:
    rmsnorm = load_kernel("rmsnorm")
    points = plan(make_sweep([rmsnorm], ops=("input_layernorm",)), [rmsnorm])
    decode = [(p.batch_size, p.seq_len) for p in points if p.phase is Phase.DECODE]
    prefill = [(p.batch_size, p.seq_len) for p in points if p.phase is Phase.PREFILL]
    assert decode == [(b, 1) for b in (1, 2, 4, 8, 16, 32, 64, 128)]
    assert prefill == [
        (b, s) for b in (1, 2, 4, 8) for s in (128, 256, 512, 1024, 2048)
    ]
    assert max(point.tokens for point in points) == 16384


def test_no_point_is_planned_twice() -> None:
    kernels = load_kernels()
    points = plan(make_sweep(kernels), kernels)
    assert len(set(points)) == len(points)
    assert len({point.label for point in points}) == len(points)


def test_only_named_ops_are_planned() -> None:
    kernels = [load_kernel("rmsnorm"), load_kernel("bmm_fp8")]
    points = plan(make_sweep(kernels, ops=("attn * w_vc",)), kernels)
    assert {(point.kernel, point.op) for point in points} == {
        ("bmm_fp8", "attn * w_vc")
    }


def test_an_unknown_op_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r"No op 'x' in these kernels. Known: input_lay"
    ):
        make_sweep([load_kernel("rmsnorm")], ops=("x",))


def test_every_reproduction_command_plans_exactly_its_point() -> None:
    kernels = load_kernels()
    sweep = make_sweep(kernels)
    points = plan(sweep, kernels)
    for point in [*points[::23], points[-1]]:
        words = shlex.split(reproduce_command(point, sweep))[1:]
        result = CliRunner().invoke(cli, [*words, "--plan", "--json"])
        planned = [from_plain(Point, item) for item in json.loads(result.output)]
        assert planned == [point]


def test_a_reproduction_command_keeps_the_timer_and_the_caches() -> None:
    kernels = [load_kernel("rmsnorm")]
    sweep = make_sweep(
        kernels, caches=(Cache.WARM,), timer="do_bench_cudagraph", replays=20
    )
    command = reproduce_command(plan(sweep, kernels)[0], sweep)
    assert command.endswith("--l2 warm --timer do_bench_cudagraph --replays 20")


def test_all_providers_of_a_kernel_are_points_side_by_side() -> None:
    kernel = KERNELS["choice"]
    sweep = make_sweep(
        [kernel],
        ops=("small",),
        phases=(Phase.DECODE,),
        decode_batch_sizes=(1,),
        provider="all",
    )
    points = plan(sweep, [kernel])
    names = ["dsprof-broken", "dsprof-good", "dsprof-slow"]
    assert [point.provider for point in points] == names
    command = reproduce_command(points[1], sweep)
    assert "--provider dsprof-good" in command


def test_an_unknown_provider_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"No provider 'x'.* Known: sgl_kernel, all"):
        make_sweep([load_kernel("rmsnorm")], provider="x")


def test_an_op_on_request_is_planned_only_when_it_is_named() -> None:
    kernel = load_kernel("fused_moe_kernel")
    default = {point.op for point in plan(make_sweep([kernel]), [kernel])}
    assert default == {"experts (gate_up)", "experts (down)"}
    named = plan(make_sweep([kernel], ops=("experts (down) bf16",)), [kernel])
    assert {point.op for point in named} == {"experts (down) bf16"}
