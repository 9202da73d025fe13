"""What is asked of a whole model, as options of a command line, and what came of it."""

import argparse
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dsprof.harness.errors import UsageError

V3_LAYERS = 61
V3_DENSE_LAYERS = 3  # the first ones; the others have experts
NO_REPEAT_NGRAM = 20  # DeepSeek-OCR's own setting


class ModelName(StrEnum):
    """The models that transformers builds from a config."""

    DEEPSEEK_V3 = "deepseek-v3"
    DEEPSEEK_OCR2 = "deepseek-ocr2"


class DecodeMode(StrEnum):
    """How decode steps reach the GPU."""

    EAGER = "eager"  # every kernel launched from Python; the KV cache grows
    GRAPH = "graph"  # one captured step, replayed; the KV cache has its full length


class Experts(StrEnum):
    """transformers' ways of computing the routed experts."""

    EAGER = "eager"  # a loop over the experts that were hit
    GROUPED_MM = "grouped_mm"  # torch's grouped matrix product


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelJob:
    """One run of a model. ``layers`` to ``prompt_tokens`` are of deepseek-v3 alone.

    ``decode_tokens`` counts new tokens of each sequence: prefill gives the first, the
    decode steps the others. ``experts`` of None is the mode's own way.
    """

    model: ModelName
    mode: DecodeMode = DecodeMode.EAGER
    experts: Experts | None = None
    layers: int = 4  # with the embeddings 74 GB of BF16
    batch_size: int = 1
    prompt_tokens: int = 1024
    pages: int = 20  # of deepseek-ocr2 alone
    decode_tokens: int = 64
    device: str = "cuda"
    tiny: bool = False  # same code, toy sizes: for a trial without a GPU
    seed: int = 0

    def __post_init__(self) -> None:
        self._require_sizes()
        self._require_model_options()
        if self.mode is DecodeMode.GRAPH and self.experts is Experts.EAGER:
            raise UsageError(
                "The eager experts of transformers ask the GPU which experts were hit "
                "(nonzero), which no CUDA graph can hold. Take --experts grouped_mm or "
                "--eager."
            )
        if self.mode is DecodeMode.GRAPH and not self.device.startswith("cuda"):
            raise UsageError(
                f"A CUDA graph needs a CUDA device, not '{self.device}'. Take --eager."
            )

    def _require_sizes(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise UsageError(
                    f"{_option(name)} is {value}; it has to be at least {least}."
                )
        if self.layers > V3_LAYERS:
            raise UsageError(
                f"--layers is {self.layers}; DeepSeek-V3 has {V3_LAYERS} layers."
            )

    def _require_model_options(self) -> None:
        others = OPTIONS_OF_ONE[self.model]
        for field in dataclasses.fields(self):
            if field.name in others and getattr(self, field.name) != field.default:
                raise UsageError(
                    f"{self.model} has no {_option(field.name)}: that is an option of "
                    f"{others[field.name]}."
                )

    @property
    def experts_used(self) -> Experts:
        """The way asked for, or the one that the decode mode can run."""
        if self.experts is not None:
            return self.experts
        graphed = self.mode is DecodeMode.GRAPH
        return Experts.GROUPED_MM if graphed else Experts.EAGER

    @property
    def dense_layers(self) -> int:
        """Layers of a DeepSeek-V3 of this depth that have no experts.

        As large a share as in the whole model, and at least one.
        """
        return math.ceil(V3_DENSE_LAYERS * self.layers / V3_LAYERS)

    @property
    def decode_steps(self) -> int:
        return self.decode_tokens - 1


# One new token would leave no decode step.
LEAST = {
    "layers": 1,
    "batch_size": 1,
    "prompt_tokens": 1,
    "pages": 1,
    "decode_tokens": 2,
    "seed": 0,
}
# Model -> options that it does not have, and the model that does.
OPTIONS_OF_ONE: Mapping[ModelName, Mapping[str, ModelName]] = {
    ModelName.DEEPSEEK_V3: {"pages": ModelName.DEEPSEEK_OCR2},
    ModelName.DEEPSEEK_OCR2: dict.fromkeys(
        ("layers", "batch_size", "prompt_tokens"), ModelName.DEEPSEEK_V3
    ),
}


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def to_arguments(job: ModelJob) -> list[str]:
    """The command-line arguments that ``job_of`` reads back; defaults are left out."""
    arguments = [str(job.model), "--mode", str(job.mode)]
    for field in dataclasses.fields(job):
        value = getattr(job, field.name)
        if field.name in {"model", "mode"} or value == field.default:
            continue
        arguments.append(_option(field.name))
        if value is not True:
            arguments.append(str(value))
    return arguments


def job_of(arguments: Sequence[str]) -> ModelJob:
    """Read a job from command-line arguments; argparse ends the process on others."""
    parser = argparse.ArgumentParser(
        prog="dsprof.harness.models.program", allow_abbrev=False
    )
    parser.add_argument("model", type=ModelName, choices=list(ModelName))
    parser.add_argument("--mode", type=DecodeMode, choices=list(DecodeMode))
    parser.add_argument("--experts", type=Experts, choices=list(Experts))
    parser.add_argument("--device")
    parser.add_argument("--tiny", action="store_true")
    for name in LEAST:
        parser.add_argument(_option(name), type=int)
    given = vars(parser.parse_args(arguments))
    return ModelJob(
        **{name: value for name, value in given.items() if value is not None}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRun:
    """What ran, how large it was and how long it took.

    Times are host seconds between two synchronizations of the GPU, and those of an
    undisturbed run only where ``profiler`` is empty. The sequences run one after the
    other, each with the whole batch.
    """

    model: ModelName
    architecture: str  # transformers' class
    size: str  # e.g. "1 dense + 3 MoE layers"
    mode: DecodeMode
    experts: Experts
    attention: str
    cache: str
    parameters: int
    weight_bytes: int
    batch_size: int
    sequences: int
    prompt_tokens: tuple[int, ...]  # of each sequence
    decode_tokens: int
    decode_steps: int  # of each sequence, inside the decode range
    prefill_s: float
    decode_s: float
    peak_memory_bytes: int | None  # None on a CPU
    device: str
    versions: Mapping[str, str | None]
    profiler: str = ""
    notes: tuple[str, ...] = ()

    @property
    def prefill_tokens_per_s(self) -> float:
        return self.batch_size * sum(self.prompt_tokens) / self.prefill_s

    @property
    def decode_tokens_per_s(self) -> float:
        tokens = self.batch_size * self.sequences * self.decode_steps
        return tokens / self.decode_s
