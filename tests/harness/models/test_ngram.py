import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.models.ngram import forbid_repeats

VOCABULARY = 4
LOGITS = torch.tensor([[0.0, 1.0, 2.0, 3.0]])


def forbidden(tokens: list[int], size: int, room: int = 32) -> list[int]:
    """Tokens that may not follow these, which lie in a longer buffer of rubbish."""
    buffer = torch.full((1, room), 1)
    buffer[0, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
    length = torch.tensor([len(tokens)])
    logits = forbid_repeats(LOGITS, buffer, length, size)
    kept = logits.isfinite()
    assert torch.equal(logits[kept], LOGITS[kept])
    return [token for token in range(VOCABULARY) if not kept[0, token]]


def test_a_token_that_completes_a_repeat_is_forbidden() -> None:
    assert forbidden([0, 1, 2, 0, 1], size=3) == [2]


def test_every_continuation_seen_is_forbidden() -> None:
    assert forbidden([0, 1, 2, 0, 1, 3, 0, 1], size=3) == [2, 3]


def test_what_lies_behind_the_length_does_not_count() -> None:
    assert forbidden([1, 1], size=3) == []
    assert forbidden([1, 1, 1], size=3) == [1]


def test_nothing_is_forbidden_before_n_tokens() -> None:
    assert forbidden([2], size=3) == []
    assert forbidden([0, 1, 2], size=20, room=10) == []


@given(
    tokens=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=24),
    size=st.integers(1, 6),
)
def test_it_forbids_what_transformers_forbids(tokens: list[int], size: int) -> None:
    transformers = pytest.importorskip("transformers")
    processor = transformers.NoRepeatNGramLogitsProcessor(size)
    theirs = processor(torch.tensor([tokens]), LOGITS)
    expected = (~theirs.isfinite())[0].nonzero().flatten().tolist()
    assert forbidden(tokens, size) == expected
