from typing import Any

import pytest

pytest.importorskip("transformers")

import torch

from dsprof.harness.models.deepseek_v3 import whole_model
from dsprof.harness.models.job import Experts, ModelJob, ModelName
from dsprof.harness.models.weights import build, weigh


def make_job(**changes: Any) -> ModelJob:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {"model": ModelName.DEEPSEEK_V3, "device": "cpu"} | changes
    return ModelJob(**fields)


def test_four_layers_weigh_what_the_published_sizes_come_to() -> None:
    attention = (
        7168 * 1536  # q_a
        + 1536  # its norm
        + 1536 * 128 * (128 + 64)  # q_b
        + 7168 * (512 + 64)  # kv_a
        + 512  # its norm
        + 512 * 128 * (128 + 128)  # kv_b
        + 128 * 128 * 7168  # o
        + 2 * 7168  # the layer's norms
    )
    dense = 3 * 7168 * 18432
    moe = (256 + 1) * 3 * 7168 * 2048 + 256 * 7168
    embeddings = 2 * 129280 * 7168 + 7168
    expected = 4 * attention + dense + 3 * moe + embeddings
    weights = weigh(whole_model(make_job()), Experts.EAGER)
    assert weights.parameters == expected
    assert weights.total_bytes == 2 * expected


def test_the_whole_model_has_671_billion_parameters() -> None:
    weights = weigh(whole_model(make_job(layers=61)), Experts.EAGER)
    assert round(weights.parameters / 1e9) == 671


def test_computed_buffers_are_those_of_the_config() -> None:
    job = make_job(tiny=True, layers=2)
    whole = whole_model(job)
    model = build(whole, job)
    buffers = dict(model.named_buffers())
    frequencies = buffers["model.rotary_emb.inv_freq"]
    assert frequencies.dtype == torch.float32
    # The fastest of YaRN's frequencies is left as it is, the slowest divided by 40.
    slowest = 10000.0 ** (-6 / 8)
    assert frequencies[0] == 1.0
    assert float(frequencies[-1]) == pytest.approx(slowest / 40, rel=1e-5)
    correction = buffers["model.layers.1.mlp.gate.e_score_correction_bias"]
    assert correction.dtype == torch.float32
    assert not correction.any()


def test_weights_are_random_and_the_same_at_the_same_seed() -> None:
    job = make_job(tiny=True, layers=2)
    first, second = (build(whole_model(job), job).state_dict() for _ in range(2))
    other = make_job(tiny=True, layers=2, seed=1)
    third = build(whole_model(other), other).state_dict()
    name = "model.layers.1.mlp.experts.gate_up_proj"
    assert torch.equal(first[name], second[name])
    assert not torch.equal(first[name], third[name])
    assert float(first[name].float().std()) == pytest.approx(0.02, rel=0.02)
    assert (first["model.norm.weight"] == 1).all()


def test_prompts_have_the_sizes_asked_for() -> None:
    job = make_job(tiny=True, batch_size=3, prompt_tokens=17)
    (prompt,) = whole_model(job).prompts()
    assert prompt.token_ids.shape == (3, 17)
    assert int(prompt.token_ids.max()) < 512
