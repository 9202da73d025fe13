from typing import Any

import pytest

pytest.importorskip("transformers")

import torch

from dsprof.harness.errors import DsprofError
from dsprof.harness.models import deepseek_ocr2, deepseek_v3
from dsprof.harness.models.decode import Sequence, first_cause, marked, warm_up
from dsprof.harness.models.job import DecodeMode, Experts, ModelJob, ModelName
from dsprof.harness.models.weights import build
from dsprof.harness.models.whole_model import Prompt, WholeModel

TOKENS = 6


class GraphModeJob:
    """A job of graph mode on a CPU, which ModelJob refuses: no graph is made."""

    device = "cpu"
    decode_tokens = TOKENS
    mode = DecodeMode.GRAPH


@pytest.fixture(scope="module")
def v3() -> tuple[WholeModel, Any, ModelJob]:
    job = ModelJob(
        model=ModelName.DEEPSEEK_V3,
        layers=3,
        batch_size=2,
        prompt_tokens=9,
        decode_tokens=TOKENS,
        device="cpu",
        tiny=True,
        experts=Experts.GROUPED_MM,
    )
    whole = deepseek_v3.whole_model(job)
    return whole, build(whole, job), job


def decoded(sequence: Sequence) -> list[list[int]]:
    with torch.inference_mode():
        sequence.prefill()
        for _ in range(TOKENS - 1):
            sequence.step()
    return sequence.new_tokens()


def test_decoding_gives_what_transformers_generates(
    v3: tuple[WholeModel, Any, ModelJob],
) -> None:
    whole, model, job = v3
    (prompt,) = whole.prompts()
    expected = model.generate(
        prompt.token_ids,
        attention_mask=torch.ones_like(prompt.token_ids),
        do_sample=False,
        min_new_tokens=TOKENS,
        max_new_tokens=TOKENS,
        eos_token_id=None,
        pad_token_id=0,
    )
    tokens = decoded(Sequence(whole, model, prompt, job))
    assert tokens == expected[:, prompt.tokens :].tolist()
    assert len(tokens) == 2


def test_a_static_cache_gives_the_tokens_of_a_growing_one(
    v3: tuple[WholeModel, Any, ModelJob],
) -> None:
    whole, model, job = v3
    (prompt,) = whole.prompts()
    growing = Sequence(whole, model, prompt, job)
    fixed = Sequence(whole, model, prompt, GraphModeJob())  # type: ignore[arg-type]
    assert decoded(fixed) == decoded(growing)


@pytest.mark.parametrize("graph_mode", [False, True])
def test_a_warm_up_leaves_no_trace(
    v3: tuple[WholeModel, Any, ModelJob],
    graph_mode: bool,  # noqa: FBT001 -- a parameter
) -> None:
    whole, model, job = v3
    (prompt,) = whole.prompts()
    chosen: Any = GraphModeJob() if graph_mode else job
    sequence = Sequence(whole, model, prompt, chosen)
    with torch.inference_mode():
        warm = warm_up(sequence)
    assert int(sequence.length) == 0
    assert not sequence.tokens.any()
    tokens = decoded(sequence)
    assert [row[:4] for row in tokens] == warm
    assert int(sequence.length) == prompt.tokens + TOKENS


def test_logits_that_are_no_numbers_end_the_run(
    v3: tuple[WholeModel, Any, ModelJob],
) -> None:
    whole, _, job = v3
    (prompt,) = whole.prompts()

    def broken(**_: object) -> Any:  # noqa: ANN401 -- a model's output
        logits = torch.full((2, 1, 512), float("nan"))
        return type("Output", (), {"logits": logits})

    with pytest.raises(DsprofError, match="not all finite"):
        warm_up(Sequence(whole, broken, prompt, job))


def test_pages_are_read_and_no_n_tokens_repeat() -> None:
    job = ModelJob(
        model=ModelName.DEEPSEEK_OCR2,
        pages=2,
        decode_tokens=30,
        device="cpu",
        tiny=True,
    )
    whole = deepseek_ocr2.whole_model(job)
    model = build(whole, job)
    prompts = whole.prompts()
    sequence = Sequence(whole, model, prompts[1], job)
    with torch.inference_mode():
        logits = sequence.prefill()
        for _ in range(29):
            sequence.step()
        blank = Prompt(
            token_ids=prompts[1].token_ids,
            images={
                name: torch.ones_like(tensor) if tensor.is_floating_point() else tensor
                for name, tensor in prompts[1].images.items()
            },
        )
        unseen = Sequence(whole, model, blank, job).prefill()
    assert not torch.equal(logits, unseen), "the image does not reach the logits"
    (tokens,) = sequence.tokens.tolist()
    new = range(len(tokens) - 30, len(tokens) - 19)
    windows = [tuple(tokens[start : start + 20]) for start in new]
    assert len(set(windows)) == len(windows)


def test_a_failed_capture_names_what_failed_first() -> None:
    first = RuntimeError("operation not permitted\nSearch for it.")
    last = RuntimeError("a previous error during capture")
    last.__context__ = first
    assert first_cause(last) == "operation not permitted"


def test_work_is_annotated_for_the_torch_profiler() -> None:
    from torch.profiler import ProfilerActivity, profile

    with (
        profile(activities=[ProfilerActivity.CPU]) as recorded,
        marked("decode", "cpu"),
    ):
        torch.ones(2).sum()
    assert "decode" in [event.key for event in recorded.key_averages()]
