from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.errors import UsageError
from dsprof.harness.models.job import (
    DecodeMode,
    Experts,
    ModelJob,
    ModelName,
    ModelRun,
    job_of,
    to_arguments,
)
from dsprof.harness.plain import from_plain, to_plain

V3, OCR2 = ModelName.DEEPSEEK_V3, ModelName.DEEPSEEK_OCR2


@given(
    job=st.builds(
        ModelJob,
        model=st.just(V3),
        mode=st.sampled_from(DecodeMode),
        experts=st.sampled_from([None, Experts.GROUPED_MM]),
        layers=st.integers(1, 61),
        batch_size=st.integers(1, 10**6),
        prompt_tokens=st.integers(1, 10**6),
        decode_tokens=st.integers(2, 10**6),
        device=st.sampled_from(["cuda", "cuda:1"]),
        tiny=st.booleans(),
        seed=st.integers(0, 2**40),
    )
)
def test_a_job_comes_back_from_its_arguments(job: ModelJob) -> None:
    assert job_of(to_arguments(job)) == job


def test_arguments_leave_defaults_out() -> None:
    job = ModelJob(model=OCR2, pages=3, tiny=True)
    expected = ["deepseek-ocr2", "--mode", "eager", "--pages", "3", "--tiny"]
    assert to_arguments(job) == expected


def test_experts_follow_the_mode_unless_they_are_asked_for() -> None:
    assert ModelJob(model=V3).experts_used is Experts.EAGER
    graphed = ModelJob(model=V3, mode=DecodeMode.GRAPH)
    assert graphed.experts_used is Experts.GROUPED_MM
    asked = ModelJob(model=V3, experts=Experts.GROUPED_MM)
    assert asked.experts_used is Experts.GROUPED_MM


def test_eager_experts_cannot_be_captured_and_the_message_says_why() -> None:
    with pytest.raises(UsageError, match="nonzero"):
        ModelJob(model=V3, mode=DecodeMode.GRAPH, experts=Experts.EAGER)


def test_a_graph_needs_a_cuda_device() -> None:
    with pytest.raises(UsageError, match=r"not 'cpu'\. Take --eager"):
        ModelJob(model=V3, mode=DecodeMode.GRAPH, device="cpu")


@pytest.mark.parametrize(
    ("layers", "dense"), [(1, 1), (4, 1), (20, 1), (21, 2), (41, 3), (61, 3)]
)
def test_dense_layers_keep_their_share(layers: int, dense: int) -> None:
    assert ModelJob(model=V3, layers=layers).dense_layers == dense


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 0}, "--layers is 0; it has to be at least 1"),
        ({"layers": 62}, "DeepSeek-V3 has 61 layers"),
        ({"decode_tokens": 1}, "--decode-tokens is 1; it has to be at least 2"),
        ({"pages": 3}, "deepseek-v3 has no --pages"),
    ],
)
def test_sizes_that_no_model_has_are_refused(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ModelJob(model=V3, **change)


def test_options_of_the_other_model_are_refused() -> None:
    with pytest.raises(UsageError, match="an option of deepseek-v3"):
        ModelJob(model=OCR2, batch_size=2)


def test_rates_count_every_sequence_and_row() -> None:
    run = make_run(
        batch_size=2,
        sequences=3,
        prompt_tokens=(10, 20, 30),
        decode_steps=5,
        prefill_s=0.5,
        decode_s=0.1,
    )
    assert run.prefill_tokens_per_s == 2 * 60 / 0.5
    assert run.decode_tokens_per_s == 2 * 3 * 5 / 0.1


def test_a_run_comes_back_from_plain_values() -> None:
    run = make_run(notes=("one",))
    assert from_plain(ModelRun, to_plain(run)) == run


def make_run(**changes: Any) -> ModelRun:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "model": OCR2,
        "architecture": "DeepseekOcr2ForConditionalGeneration",
        "size": "toy",
        "mode": DecodeMode.EAGER,
        "experts": Experts.EAGER,
        "attention": "sdpa",
        "cache": "DynamicCache",
        "parameters": 1_500_000_000,
        "weight_bytes": 3 * 2**30,
        "batch_size": 1,
        "sequences": 2,
        "prompt_tokens": (557, 1133),
        "decode_tokens": 64,
        "decode_steps": 63,
        "prefill_s": 0.5,
        "decode_s": 1.26,
        "peak_memory_bytes": 4 * 2**30,
        "device": "Toy GPU",
        "versions": {"torch": "2.11.0", "transformers": "5.17.0"},
    }
    return ModelRun(**(fields | changes))
