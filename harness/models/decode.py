"""Greedy decoding of one sequence: eager with a growing cache, or as a CUDA graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dsprof.harness.errors import DsprofError
from dsprof.harness.models.job import DecodeMode, ModelJob
from dsprof.harness.models.libraries import import_transformers
from dsprof.harness.models.whole_model import Prompt, WholeModel

if TYPE_CHECKING:
    import torch

WARM_UP_STEPS = 3  # what torch's notes on CUDA graphs ask for
CACHES = {DecodeMode.EAGER: "DynamicCache", DecodeMode.GRAPH: "StaticCache"}


class CaptureError(DsprofError):
    """A decode step could not be captured in a CUDA graph."""


class Sequence:
    """The tokens and the KV cache of one prompt, and the model that continues it.

    Tokens lie in one tensor that is written in place, and how many there are is a
    tensor too, so that a captured step finds both where it left them.
    """

    def __init__(
        self,
        whole: WholeModel,
        model: Any,  # noqa: ANN401 -- transformers has no types
        prompt: Prompt,
        job: ModelJob,
    ) -> None:
        import torch

        device = job.device
        self._whole, self._model, self._mode = whole, model, job.mode
        self._ids = prompt.token_ids.to(device)
        self._images = {
            name: tensor.to(device, torch.bfloat16)
            if tensor.is_floating_point()
            else tensor  # counts, which the model reads on the host
            for name, tensor in prompt.images.items()
        }
        self.prompt_tokens = prompt.tokens
        self._room = prompt.tokens + job.decode_tokens
        self.tokens = torch.zeros(
            (self._ids.shape[0], self._room), dtype=torch.int64, device=device
        )
        self.length = torch.zeros(1, dtype=torch.int64, device=device)
        self._cache = self._new_cache()

    def _new_cache(self) -> Any:  # noqa: ANN401 -- transformers has no types
        transformers = import_transformers()
        config = self._whole.text_config
        if self._mode is DecodeMode.EAGER:
            return transformers.DynamicCache(config=config)
        return transformers.StaticCache(config=config, max_cache_len=self._room)

    def restart(self) -> None:
        """Forget every token. A static cache stays where a graph has captured it."""
        if self._mode is DecodeMode.EAGER:
            self._cache = self._new_cache()
        else:
            self._cache.reset()
        self.tokens.zero_()
        self.length.zero_()

    def prefill(self) -> "torch.Tensor":
        """Read the prompt and write the first new token; its logits come back."""
        self.tokens[:, : self.prompt_tokens] = self._ids
        self.length.fill_(self.prompt_tokens)
        return self._forward(self._ids, **self._images)

    def step(self) -> None:
        """Write one more token."""
        last = self.length - 1
        token = self.tokens.index_select(1, last)
        self._forward(token, position_ids=last.unsqueeze(0))

    def _forward(self, token_ids: "torch.Tensor", **inputs: object) -> "torch.Tensor":
        output = self._model(
            input_ids=token_ids,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **inputs,
        )
        logits: torch.Tensor = output.logits[:, -1]
        self._append(logits)
        return logits

    def _append(self, logits: "torch.Tensor") -> None:
        from dsprof.harness.models.ngram import forbid_repeats

        if self._whole.no_repeat_ngram:
            logits = forbid_repeats(
                logits, self.tokens, self.length, self._whole.no_repeat_ngram
            )
        token = logits.argmax(-1, keepdim=True)
        self.tokens.index_copy_(1, self.length, token)
        self.length.add_(1)

    def new_tokens(self) -> list[list[int]]:
        """The tokens written so far behind the prompt, by row of the batch."""
        end = int(self.length)
        written: list[list[int]] = self.tokens[:, self.prompt_tokens : end].tolist()
        return written


def warm_up(sequence: Sequence) -> list[list[int]]:
    """Run prefill and a few steps, then start over; returns the tokens they gave.

    What is done once, as cuBLAS handles and loading kernels, is done here. Logits that
    are no numbers end the run: nothing that follows would be worth its time.
    """
    logits = sequence.prefill()
    if not bool(logits.isfinite().all()):
        raise DsprofError(
            "The model's first logits are not all finite, so its kernels would be "
            "timed on numbers that no run has. Take another --seed."
        )
    room = sequence.tokens.shape[1] - sequence.prompt_tokens - 1
    for _ in range(min(WARM_UP_STEPS, room)):
        sequence.step()
    tokens = sequence.new_tokens()
    sequence.restart()
    return tokens


def capture_step(sequence: Sequence, pool: Any = None) -> "torch.cuda.CUDAGraph":  # noqa: ANN401 -- torch gives pools no type
    """Capture one decode step of a sequence that is warmed up; runs nothing."""
    import torch

    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=pool):
            sequence.step()
    except RuntimeError as error:
        transformers = import_transformers()
        raise CaptureError(
            f"transformers {transformers.__version__} takes a decode step that no CUDA "
            f"graph can hold: {first_cause(error)}. Take --eager."
        ) from error
    return graph


def first_cause(error: BaseException) -> str:
    """First line of what was raised first: a capture that is broken fails again."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().split("\n")[0]


@contextmanager
def marked(name: str, device: str) -> Iterator[None]:
    """An NVTX push/pop range and a Kineto annotation around work that ends inside.

    Push and pop go to the default domain of this thread, which launches every kernel:
    nsys gates on them (as unregistered strings), ncu filters by ``NAME/``.
    """
    import torch

    if device == "cpu":
        with torch.profiler.record_function(name):
            yield
        return
    torch.cuda.synchronize(device)
    torch.cuda.nvtx.range_push(name)
    try:
        with torch.profiler.record_function(name):
            yield
            torch.cuda.synchronize(device)
    finally:
        torch.cuda.nvtx.range_pop()
