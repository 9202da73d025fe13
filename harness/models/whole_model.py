"""A model to be built and what it is given to read, before any weight exists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One sequence's input; ``images`` go to the model's forward beside the tokens."""

    token_ids: "torch.Tensor"  # (batch, tokens), int64, on the CPU
    images: Mapping[str, "torch.Tensor"] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return self.token_ids.shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeModel:
    """A transformers class with its config, and its prompts.

    ``working_bytes`` is what a forward needs beside weights and cache, rounded up from
    what was measured on an H200. ``layer_bytes`` is the weight of one layer that may
    be left out, 0 where none may.
    """

    architecture: str
    config: Any
    text_config: Any  # of the part that has the KV cache
    size: str
    prompts: Callable[[], list[Prompt]]
    batch_size: int
    most_tokens: int  # of all sequences, new ones included, with the whole batch
    cache_bytes_per_token: int
    working_bytes: int
    layer_bytes: int = 0
    no_repeat_ngram: int = 0  # 0: tokens may repeat
    notes: tuple[str, ...] = ()
