"""The program that runs a model once, to be started alone or under nsys or ncu.

`python -P -m dsprof.harness.models.program deepseek-ocr2 --mode graph` prints one
line on standard output: the run as JSON. What libraries print goes to standard error.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dsprof.harness.errors import DsprofError, EnvironmentLacksError, UsageError
from dsprof.harness.models import deepseek_ocr2, deepseek_v3
from dsprof.harness.models.decode import (
    CACHES,
    Sequence,
    capture_step,
    marked,
    warm_up,
)
from dsprof.harness.models.job import (
    DecodeMode,
    ModelJob,
    ModelName,
    ModelRun,
    job_of,
    to_arguments,
)
from dsprof.harness.models.run_ahead import RunAhead
from dsprof.harness.models.weights import (
    ATTENTION,
    Weights,
    build,
    device_name,
    free_memory_bytes,
    peak_memory_bytes,
    require_device,
    require_memory,
    weigh,
)
from dsprof.harness.models.whole_model import WholeModel
from dsprof.harness.plain import to_plain
from dsprof.harness.versions import package_version, torch_cuda_version

if TYPE_CHECKING:
    import torch

PREFILL, DECODE = "prefill", "decode"  # the ranges' names
MODULE = "dsprof.harness.models.program"
PACKAGES = ("torch", "transformers", "triton", "PIL", "numpy")
PROFILER_VARIABLES = {
    "NSYS_PROFILING_SESSION_ID": "nsys",
    "NV_COMPUTE_PROFILER_PERFWORKS_DIR": "ncu",
}
WHOLE_MODELS: Mapping[ModelName, Callable[[ModelJob], WholeModel]] = {
    ModelName.DEEPSEEK_V3: deepseek_v3.whole_model,
    ModelName.DEEPSEEK_OCR2: deepseek_ocr2.whole_model,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the job that the arguments name and print what came of it."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        done = run(job_of(sys.argv[1:] if arguments is None else arguments))
    except DsprofError as error:
        print(f"dsprof: {error}", file=sys.stderr)  # noqa: T201 -- the program's answer
        sys.exit(error.exit_code)
    with answer:
        answer.write(json.dumps(summary(done)) + "\n")


def command_line(job: ModelJob, python: str = sys.executable) -> list[str]:
    """The command that runs a job in a process of its own."""
    return [python, "-P", "-m", MODULE, *to_arguments(job)]


def summary(done: ModelRun) -> dict[str, Any]:
    """Every field of a run, with the rates that follow from it."""
    rates = {
        "prefill_tokens_per_s": done.prefill_tokens_per_s,
        "decode_tokens_per_s": done.decode_tokens_per_s,
    }
    plain: dict[str, Any] = to_plain(done)
    return plain | rates


def run(job: ModelJob) -> ModelRun:
    """Build the model, warm it up, and run all prefills and then all decode steps."""
    import torch

    whole = WHOLE_MODELS[job.model](job)
    require_device(job.device)
    weights = weigh(whole, job.experts_used)
    require_memory(job, whole, weights, free_memory_bytes(job.device))
    try:
        with torch.inference_mode():
            return _run(job, whole, weights)
    except torch.OutOfMemoryError as error:
        reason = str(error).split(". ")[0]
        raise EnvironmentLacksError(
            f"{job.model} ({whole.size}) filled the memory of {job.device}: {reason}. "
            "Take fewer layers, rows of the batch or tokens."
        ) from error


def _run(job: ModelJob, whole: WholeModel, weights: Weights) -> ModelRun:
    sequences = _sequences(whole, build(whole, job), job)
    warm = [row for sequence in sequences for row in warm_up(sequence)]
    steps = _steps(sequences, job)
    prefill_s = _timed(PREFILL, job.device, [each.prefill for each in sequences])
    calls = [step for step in steps for _ in range(job.decode_steps)]
    decode_s = _timed(DECODE, job.device, calls)
    _require_all_tokens(sequences, job.decode_tokens)
    tokens = [row for sequence in sequences for row in sequence.new_tokens()]
    return ModelRun(
        model=job.model,
        architecture=whole.architecture,
        size=whole.size,
        mode=job.mode,
        experts=job.experts_used,
        attention=ATTENTION,
        cache=CACHES[job.mode],
        parameters=weights.parameters,
        weight_bytes=weights.total_bytes,
        batch_size=whole.batch_size,
        sequences=len(sequences),
        prompt_tokens=tuple(each.prompt_tokens for each in sequences),
        decode_tokens=job.decode_tokens,
        decode_steps=job.decode_steps,
        prefill_s=prefill_s,
        decode_s=decode_s,
        peak_memory_bytes=peak_memory_bytes(job.device),
        device=device_name(job.device),
        versions=_versions(),
        profiler=attached_profiler(os.environ),
        notes=whole.notes + unlike_warm_up(tokens, warm),
    )


def _sequences(
    whole: WholeModel, model: "torch.nn.Module", job: ModelJob
) -> list[Sequence]:
    prompts = whole.prompts()
    longest = max(prompt.tokens for prompt in prompts) + job.decode_tokens
    most = whole.text_config.max_position_embeddings
    if longest > most:
        raise UsageError(
            f"{longest} tokens, the new ones included, are more than the {most} "
            f"positions of {job.model}. Take fewer."
        )
    return [Sequence(whole, model, prompt, job) for prompt in prompts]


def _steps(sequences: list[Sequence], job: ModelJob) -> list[Callable[[], object]]:
    """What makes one decode step of each sequence."""
    if job.mode is DecodeMode.EAGER:
        return [each.step for each in sequences]
    import torch

    # One pool: the graphs run one after the other and keep nothing in it.
    pool = torch.cuda.graph_pool_handle()
    return [capture_step(each, pool).replay for each in sequences]


def _timed(name: str, device: str, calls: list[Callable[[], object]]) -> float:
    """Seconds of the calls, one after the other, in a range of this name."""
    with marked(name, device):
        started = time.perf_counter()
        ahead = RunAhead(device)
        for call in calls:
            call()
            ahead.launched()
        _synchronize(device)
        return time.perf_counter() - started


def _synchronize(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def _require_all_tokens(sequences: list[Sequence], expected: int) -> None:
    """Raise unless every sequence has its tokens: a graph might have stood still."""
    for number, sequence in enumerate(sequences):
        written = int(sequence.length) - sequence.prompt_tokens
        if written != expected:
            raise DsprofError(
                f"Sequence {number} has {written} new tokens instead of {expected}, so "
                "its time is not that of the work. Take --eager."
            )


def unlike_warm_up(tokens: list[list[int]], warm: list[list[int]]) -> tuple[str, ...]:
    """Say how many rows began otherwise than in the warm-up, if any."""
    pairs = list(zip(tokens, warm, strict=True))
    unlike = sum(row[: len(first)] != first for row, first in pairs)
    if not unlike:
        return ()
    return (
        (
            f"{unlike} of {len(pairs)} rows began with other tokens than in the "
            "warm-up: some kernel does not repeat its results bit by bit."
        ),
    )


def _versions() -> dict[str, str | None]:
    versions = {name: package_version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        **versions,
        "torch_cuda": torch_cuda_version(),
    }


def attached_profiler(environment: Mapping[str, str]) -> str:
    """The profiler that this process runs under, or "".

    nsys and ncu are known by a variable that they set (seen with 2025.3).
    """
    import torch

    for variable, profiler in PROFILER_VARIABLES.items():
        if variable in environment:
            return profiler
    enabled = torch._C._autograd._profiler_enabled()  # noqa: SLF001 -- no public name
    return "torch" if enabled else ""


if __name__ == "__main__":
    main()
