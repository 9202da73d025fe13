"""Forbids a token that would repeat n tokens, in shapes that a CUDA graph can hold."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def forbid_repeats(
    logits: "torch.Tensor", tokens: "torch.Tensor", length: "torch.Tensor", size: int
) -> "torch.Tensor":
    """Logits with minus infinity for tokens that would repeat ``size`` tokens.

    ``tokens`` is (batch, room) and holds ``length`` tokens, a tensor of one element;
    what lies behind them does not count. The same rule as transformers'
    NoRepeatNGramLogitsProcessor, whose input grows by a token each step.
    """
    import torch

    if tokens.shape[1] < size:
        return logits
    windows = tokens.unfold(1, size, 1)  # (batch, window, size)
    starts = torch.arange(windows.shape[1], device=tokens.device)
    offsets = torch.arange(1 - size, 0, device=tokens.device)
    # Short of size tokens no window is complete, and the clamp matters no more.
    end = tokens.index_select(1, (length + offsets).clamp(min=0))
    repeats = (windows[..., :-1] == end.unsqueeze(1)).all(-1)
    repeats &= starts <= length - size
    vocabulary = logits.shape[-1]
    # Windows that do not match go to a column of their own behind the vocabulary.
    last = torch.where(repeats, windows[..., -1], vocabulary)
    forbidden = torch.zeros(
        (logits.shape[0], vocabulary + 1), dtype=torch.bool, device=logits.device
    )
    forbidden.scatter_(1, last, value=True)
    return logits.masked_fill(forbidden[:, :vocabulary], float("-inf"))
