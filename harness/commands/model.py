"""dsprof model: build a whole model with random weights, and run it once."""

import json
import shlex
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dsprof.harness.models.job import (
    V3_LAYERS,
    DecodeMode,
    Experts,
    ModelJob,
    ModelName,
    ModelRun,
)

GIB, MILLI = 2**30, 1e3
Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(name="model")
def command() -> None:
    """Build a whole model with random weights, and time its prefill and decode.

    Nothing is downloaded. The ranges `prefill` and `decode` mark the work for a
    profiler; warm-up and graph capture lie before them.

    \b
    dsprof model deepseek-v3 --graph
    dsprof model deepseek-ocr2 --pages 4
    dsprof nsys --range decode -- $(dsprof model deepseek-ocr2 --print-command)
    """


def shared_options(function: Function) -> Function:
    """Add what both models have."""
    for option in reversed(
        (
            click.option(
                "--graph/--eager",
                "graph",
                default=False,
                help="Decode by replays of one captured step, or launch by launch."
                "  [default: eager]",
            ),
            click.option(
                "--experts",
                type=click.Choice([str(way) for way in Experts]),
                help="transformers' way of computing the routed experts.  [default: "
                "eager; grouped_mm with --graph]",
            ),
            click.option(
                "--decode-tokens",
                type=click.IntRange(min=2),
                default=_default("decode_tokens"),
                show_default=True,
                help="New tokens of each sequence; prefill gives the first.",
            ),
            click.option("--device", default="cuda", show_default=True),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True
            ),
            click.option(
                "--tiny", is_flag=True, help="Toy sizes: tries the program on a CPU."
            ),
            click.option(
                "--print-command",
                is_flag=True,
                help="Print the command to give to a profiler; run nothing.",
            ),
            click.option(
                "--json", "as_json", is_flag=True, help="Print a JSON object."
            ),
        )
    ):
        function = option(function)
    return function


def _default(name: str) -> Any:  # noqa: ANN401 -- a field's default
    return ModelJob.__dataclass_fields__[name].default


@command.command(name="deepseek-v3")
@click.option(
    "--layers",
    type=click.IntRange(1, V3_LAYERS),
    default=_default("layers"),
    show_default=True,
    help=f"How many of the {V3_LAYERS}; as large a share dense as in the whole model.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=_default("batch_size"),
    show_default=True,
)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=1),
    default=_default("prompt_tokens"),
    show_default=True,
)
@shared_options
def deepseek_v3(**options: Any) -> None:  # noqa: ANN401 -- click's options
    """DeepSeek-V3 with the published sizes and as many layers as fit.

    A layer with experts weighs 23.0 GB in BF16; the default of 4 layers is one dense
    and three with experts.
    """
    _answer(ModelName.DEEPSEEK_V3, options)


@command.command(name="deepseek-ocr2")
@click.option(
    "--pages",
    type=click.IntRange(min=1),
    default=_default("pages"),
    show_default=True,
    help="Synthetic page images, read one after the other.",
)
@shared_options
def deepseek_ocr2(**options: Any) -> None:  # noqa: ANN401 -- click's options
    """DeepSeek-OCR-2 with the published sizes, reading synthetic pages.

    Pages are seen whole at 1024 pixels and in tiles of 640 (crop mode). Decoding is
    greedy, stops at no token, and repeats no 20 tokens.
    """
    _answer(ModelName.DEEPSEEK_OCR2, options)


def _answer(model: ModelName, options: dict[str, Any]) -> None:
    as_json, print_command = options.pop("as_json"), options.pop("print_command")
    mode = DecodeMode.GRAPH if options.pop("graph") else DecodeMode.EAGER
    experts = options.pop("experts")
    job = ModelJob(
        model=model, mode=mode, experts=experts and Experts(experts), **options
    )
    from dsprof.harness.models.program import command_line, run, summary

    if print_command:
        click.echo(shlex.join(command_line(job, sys.executable)))
        return
    done = run(job)
    if as_json:
        click.echo(json.dumps(summary(done), indent=1))
    else:
        click.echo("\n".join(lines(done)))


def lines(done: ModelRun) -> list[str]:
    """What a run is to a reader."""
    prompts = sorted(set(done.prompt_tokens))
    tokens = f"{prompts[0]:,}"
    if len(prompts) > 1:
        tokens += f" to {prompts[-1]:,}"
    steps = done.sequences * done.decode_steps
    step_ms = MILLI * done.decode_s / steps
    found = [
        f"{done.model}: {done.size}",
        (
            f"weights      {done.parameters / 1e6:,.0f} million, random BF16, "
            f"{done.weight_bytes / GIB:.1f} GiB"
        ),
        f"input        {done.sequences} x batch {done.batch_size} x {tokens} tokens",
        (
            f"mode         {done.mode}; experts {done.experts}, attention "
            f"{done.attention}, {done.cache}"
        ),
        (
            f"prefill      {MILLI * done.prefill_s:,.1f} ms, "
            f"{done.prefill_tokens_per_s:,.0f} tokens/s"
        ),
        (
            f"decode       {MILLI * done.decode_s:,.1f} ms for {steps} steps, "
            f"{step_ms:.2f} ms each, {done.decode_tokens_per_s:,.1f} tokens/s"
        ),
    ]
    if done.peak_memory_bytes is not None:
        found.append(f"peak memory  {done.peak_memory_bytes / GIB:.1f} GiB")
    versions = done.versions
    found.append(
        f"on           {done.device}; torch {versions['torch']}, "
        f"transformers {versions['transformers']}"
    )
    if done.profiler:
        found.append(f"under        {done.profiler}, so no time is that of a plain run")
    return found + [f"note         {note}" for note in done.notes]
