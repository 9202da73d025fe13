"""Chooses the configurations of triton_fp8_moe's GEMMs on the GPU of this machine.

    python3 -m dsprof.harness.tune_fused_moe --tokens 1,2,4,8 -o FILE

Each GEMM is tuned by itself for each size of row blocks, with a cold L2, and the blocks
whose two best GEMMs take the least time together are written. FILE has the tables of
``kernels/experts/fused_moe_configs.toml`` with those of the given tokens replaced.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from dsprof.harness.binding import synchronize
from dsprof.harness.clocks import NvmlClocks
from dsprof.harness.errors import UsageError
from dsprof.harness.records import Phase, Point
from dsprof.harness.store import replace_file
from dsprof.harness.tensors import DeviceTensors
from dsprof.harness.timing import GraphStopwatch, Stopwatch
from dsprof.harness.tune_candidates import Candidates, candidates
from dsprof.kernels import moe, moe_configs
from dsprof.kernels.experts import triton_fp8_moe as pipeline
from dsprof.kernels.moe_configs import GemmConfig, MoeConfig
from dsprof.kernels.moe_pipeline import Gemms, Job, bind_gemms, make_job
from dsprof.kernels.spec import Tensors, Workload

if TYPE_CHECKING:
    import torch

# Another order of the sums moves some values to the next FP8 code. On the inputs here a
# wrong scale or tile is off by tens of percent.
MAX_RMS_SHARE = 0.02
OVERLAP_CAPABILITY = (9, 0)  # programmatic dependent launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate of one GEMM: its time, or why it has none."""

    gemm: str
    block_m: int
    config: GemmConfig
    time_us: float | None = None
    problem: str = ""


@dataclass(slots=True)
class Size:
    """One number of tokens, with its inputs on the GPU."""

    work: Workload
    args: Tensors
    api: Any
    stopwatch: Stopwatch
    replays: int
    deadline_s: float
    say: Callable[[str], object]
    expected: "torch.Tensor | None" = None  # rows as the first configuration has them

    def tune(self, tried: Candidates) -> tuple[float, MoeConfig]:
        """Time of both GEMMs at their best, and the configuration."""
        base = MoeConfig(
            max_rows_per_expert=rows_per_expert(self.work),
            block_m=tried.block_m,
            implementation=tried.implementation,
            gate_up=tried.gate_up[0],
            down=tried.down[0],
        )
        job, weights = self._routed(base)
        if self.expected is None:
            self.expected = self._run(job, base, weights).clone()
        best, total_us = base, 0.0
        for gemm, configs in (("gate_up", tried.gate_up), ("down", tried.down)):
            times: dict[GemmConfig, float] = {}
            for config in configs:
                if times and time.monotonic() > self.deadline_s:
                    break
                changed = with_gemm(base, gemm, config)
                trial = self._try(gemm, job, changed, weights, self.expected)
                self.say(describe(self.work.tokens, trial))
                if trial.time_us is not None:
                    times[config] = trial.time_us
            chosen = min(times, key=times.__getitem__)
            total_us += times[chosen]
            best = with_gemm(best, gemm, chosen)
        return total_us, best

    def tune_launches(
        self, config: MoeConfig, capability: tuple[int, int]
    ) -> MoeConfig:
        """Overlap the pipeline's launches if that is faster and changes nothing."""
        if capability < OVERLAP_CAPABILITY:
            return config
        times: dict[MoeConfig, float] = {}
        outputs: list[torch.Tensor] = []
        for changed in (config, replace(config, overlap=True)):
            run = pipeline.bind(self.api, self.work, self.args, changed)
            outputs.append(run()["out"].clone())
            synchronize("cuda")
            samples, _ = self.stopwatch.cold(run, warmups=1, replays=self.replays)
            times[changed] = median(samples.times_us)
            name = "overlapped" if changed.overlap else "one by one"
            self.say(f"{self.work.tokens:>6} launches {name}: {times[changed]:.1f} us")
        plain, overlapped = outputs
        is_same = bool((plain == overlapped).all())
        return min(times, key=times.__getitem__) if is_same else config

    def _routed(self, config: MoeConfig) -> "tuple[Job, torch.Tensor]":
        """Fill the row list and quantise the tokens, once for all candidates."""
        job = make_job(self.work, self.args, config)
        ids, weights = moe.route(self.api.moe_fused_gate, self.work, self.args)
        pipeline.bind_list_and_quantize(self.api, self.args["x"], job)(ids)
        return job, weights

    def _gemms(self, job: Job, config: MoeConfig) -> Gemms:
        return bind_gemms(self.api, replace(job, config=config))

    def _run(
        self, job: Job, config: MoeConfig, weights: "torch.Tensor"
    ) -> "torch.Tensor":
        gemms = self._gemms(job, config)
        job.out.fill_(float("nan"))
        gemms.gate_up()
        gemms.down(weights)
        return job.out

    def _try(
        self,
        gemm: str,
        job: Job,
        config: MoeConfig,
        weights: "torch.Tensor",
        expected: "torch.Tensor",
    ) -> Trial:
        from triton.errors import TritonError

        tried: GemmConfig = getattr(config, gemm)
        trial = Trial(gemm=gemm, block_m=config.block_m, config=tried)
        try:
            share = rms_share(self._run(job, config, weights), expected)
        except (TritonError, RuntimeError) as error:
            synchronize("cuda")  # raises if the context is lost
            return replace(trial, problem=str(error).strip().partition("\n")[0])
        if not share <= MAX_RMS_SHARE:
            return replace(trial, problem=f"off by {share:.1%} of the outputs' size")
        gemms = self._gemms(job, config)
        gemms.gate_up()
        synchronize("cuda")  # the stopwatch has a stream of its own
        calls = {"gate_up": gemms.gate_up, "down": lambda: gemms.down(weights)}
        samples, _ = self.stopwatch.cold(calls[gemm], warmups=1, replays=self.replays)
        return replace(trial, time_us=median(samples.times_us))


def with_gemm(config: MoeConfig, gemm: str, changed: GemmConfig) -> MoeConfig:
    if gemm == "gate_up":
        return replace(config, gate_up=changed)
    return replace(config, down=changed)


def rms_share(got: "torch.Tensor", expected: "torch.Tensor") -> float:
    """Root mean square of the difference over that of what is expected."""
    error = (got.float() - expected.float()).square().mean().sqrt()
    return float(error / expected.float().square().mean().sqrt())


def rows_per_expert(work: Workload) -> float:
    return work.tokens * work["top_k"] / work["experts"]


def describe(tokens: int, trial: Trial) -> str:
    """One line of the table: tokens, GEMM, blocks, time or problem, configuration."""
    c = trial.config
    marks = "".join(f" {name}" for name in ("swap", "tma") if getattr(c, name))
    outcome = trial.problem if trial.time_us is None else f"{trial.time_us:.1f} us"
    return (
        f"{tokens:>6} {trial.gemm:<7} m{trial.block_m:<3} n{c.block_n:<3} "
        f"k{c.block_k_bytes:<3} group {c.group_m:<2} split {c.split_k} "
        f"warps {c.warps} stages {c.stages}{marks}: {outcome}"
    )


def merged(present: Iterable[MoeConfig], tuned: Sequence[MoeConfig]) -> list[MoeConfig]:
    """The present entries, those of a tuned one's GPU, shape and rows replaced."""

    def key(config: MoeConfig) -> tuple[object, ...]:
        return config.gpu, config.shape, config.max_rows_per_expert

    replaced = set(map(key, tuned))
    return [*(c for c in present if key(c) not in replaced), *tuned]


def tune(
    tokens: Sequence[int],
    *,
    replays: int,
    budget_s: float,
    say: Callable[[str], object],
) -> Iterator[MoeConfig]:
    """The best configuration of each number of tokens that the time is enough for."""
    import torch

    [op] = [op.name for op in pipeline.KERNEL.ops if "routed" in op.name]
    device = torch.cuda.get_device_properties()
    stopwatch = GraphStopwatch(NvmlClocks(f"GPU-{device.uuid}"))
    deadline_s = time.monotonic() + budget_s
    for count in tokens:
        if time.monotonic() > deadline_s:
            say(f"{count:>6} left out: the {budget_s:.0f} s are over")
            continue
        point = Point(
            kernel=pipeline.KERNEL.name,
            op=op,
            phase=Phase.DECODE,
            batch_size=count,
            seq_len=1,
        )
        work = pipeline.KERNEL.workload(point)
        size = Size(
            work=work,
            args=pipeline.KERNEL.make_inputs(work, DeviceTensors("cuda", point)),
            api=pipeline.KERNEL.providers[0].load(),
            stopwatch=stopwatch,
            replays=replays,
            deadline_s=deadline_s,
            say=say,
        )
        capability = (device.major, device.minor)
        sizes = candidates(rows_per_expert(work), count, capability=capability)
        total_us, best = min(map(size.tune, sizes), key=lambda tuned: tuned[0])
        say(f"{count:>6} both GEMMs {total_us:.1f} us in blocks of {best.block_m}")
        shape = pipeline.shape_of(work)
        best = size.tune_launches(best, capability)
        yield replace(best, gpu=device.name, shape=shape)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="tune_fused_moe", description=__doc__)
    parser.add_argument("--tokens", required=True, help="such as 1,2,4")
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--replays", type=int, default=15)
    parser.add_argument("--budget-s", type=float, default=600.0)
    given = parser.parse_args(arguments)
    tokens = [int(word) for word in given.tokens.split(",") if word.isdecimal()]
    if not tokens or min(tokens) < 1 or len(tokens) != given.tokens.count(",") + 1:
        raise UsageError(f"--tokens is '{given.tokens}'. Give counts such as 1,2,4.")

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    found: list[MoeConfig] = []
    for config in tune(tokens, replays=given.replays, budget_s=given.budget_s, say=say):
        found.append(config)  # written at once: a time limit ends the process
        entries = merged(moe_configs.load(), found)
        replace_file(given.output, moe_configs.render(entries))


if __name__ == "__main__":
    main(sys.argv[1:])
