from typing import Any

import pytest

pytest.importorskip("torch")

from dsprof.harness.errors import EnvironmentLacksError, UsageError
from dsprof.harness.models.job import ModelJob, ModelName
from dsprof.harness.models.weights import (
    Weights,
    free_memory_bytes,
    require_device,
    require_memory,
)
from dsprof.harness.models.whole_model import WholeModel

GIB = 2**30


def make_whole(**changes: Any) -> WholeModel:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "architecture": "Toy",
        "config": None,
        "text_config": None,
        "size": "10 layers",
        "prompts": list,
        "batch_size": 1,
        "most_tokens": GIB,
        "cache_bytes_per_token": 2,
        "working_bytes": GIB,
        "layer_bytes": 20 * GIB,
    }
    return WholeModel(**(fields | changes))


JOB = ModelJob(model=ModelName.DEEPSEEK_V3, layers=10)
WEIGHTS = Weights(parameters=100 * GIB, total_bytes=200 * GIB)


def test_a_model_that_just_fits_is_let_through() -> None:
    require_memory(JOB, make_whole(), WEIGHTS, free_bytes=203 * GIB)
    with pytest.raises(EnvironmentLacksError):
        require_memory(JOB, make_whole(), WEIGHTS, free_bytes=203 * GIB - 1)


def test_a_model_that_does_not_fit_is_refused_with_the_sum() -> None:
    with pytest.raises(EnvironmentLacksError) as caught:
        require_memory(JOB, make_whole(), WEIGHTS, free_bytes=140 * GIB)
    # 63 GiB too much are four layers of 20.
    assert str(caught.value) == (
        "deepseek-v3 (10 layers) needs 203.0 GiB: 200.0 of weights, 2.0 of KV cache "
        "and 1.0 to work in; cuda has 140.0 GiB free. About 6 layers would fit: "
        "--layers 6."
    )


@pytest.mark.parametrize("layer_bytes", [0, 1])
def test_where_no_layer_count_would_fit_none_is_named(layer_bytes: int) -> None:
    whole = make_whole(layer_bytes=layer_bytes)
    with pytest.raises(EnvironmentLacksError, match="run on a larger one") as caught:
        require_memory(JOB, whole, WEIGHTS, free_bytes=GIB)
    assert "--layers" not in str(caught.value)


def test_a_cpu_has_its_whole_memory() -> None:
    assert free_memory_bytes("cpu") > GIB / 4


def test_devices_that_torch_does_not_see_are_refused() -> None:
    import torch

    require_device("cpu")
    with pytest.raises(UsageError, match="Take cuda, cuda:N or cpu"):
        require_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(EnvironmentLacksError, match="sees no CUDA device"):
            require_device("cuda")
