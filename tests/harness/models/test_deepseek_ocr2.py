from typing import Any

import pytest

pytest.importorskip("transformers")

from dsprof.harness.models.deepseek_ocr2 import (
    IMAGE_TOKEN,
    PUBLISHED,
    TINY,
    features,
    image_tokens,
    whole_model,
)
from dsprof.harness.models.job import Experts, ModelJob, ModelName
from dsprof.harness.models.weights import weigh


def make_job(**changes: Any) -> ModelJob:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "model": ModelName.DEEPSEEK_OCR2,
        "device": "cpu",
    } | changes
    return ModelJob(**fields)


def test_the_text_part_weighs_what_the_published_sizes_come_to() -> None:
    attention = 4 * 1280 * 1280 + 2 * 1280
    dense = 3 * 1280 * 6848
    moe = (64 + 2) * 3 * 1280 * 896 + 64 * 1280
    text = 12 * attention + dense + 11 * moe + 2 * 129280 * 1280 + 1280
    encoder_layer = (
        2 * (896 * 896)  # q and o
        + 2 * (896 * 128)  # k and v of two heads of 64
        + 896
        + 2 * 128  # biases of q, k and v
        + 3 * 896 * 4864
        + 2 * 896
    )
    encoder = 24 * encoder_layer + 896
    weights = weigh(whole_model(make_job()), Experts.EAGER)
    others = weights.parameters - text - encoder
    # SAM ViT-B has 89.7 million parameters; its neck, the two downsampling
    # convolutions (5.3 million), the queries and the projector are the rest.
    assert 95e6 < others < 98e6


def test_a_page_gets_the_tokens_of_its_views() -> None:
    # 1024 / 16 / 4 = 16 a side, 256 features; 640 has 100 and gets the 144 queries.
    assert features(PUBLISHED, 1024) == 256
    assert features(PUBLISHED, 640) == 144
    assert image_tokens(PUBLISHED, tiles=6) == 6 * 144 + 256 + 1


def test_prompts_hold_an_image_token_for_every_feature_of_their_tiles() -> None:
    prompts = whole_model(make_job(tiny=True, pages=2)).prompts()
    for prompt, tiles in zip(prompts, (6, 2), strict=True):  # A4 and a slide
        assert prompt.images["pixel_values_local"].shape == (tiles, 3, 128, 128)
        assert prompt.images["pixel_values"].shape == (1, 3, 256, 256)
        placed = int((prompt.token_ids == IMAGE_TOKEN).sum())
        assert placed == image_tokens(TINY, tiles)
        assert prompt.token_ids.shape == (1, placed + 1 + 11)


def test_pages_reach_the_model_as_their_pixels() -> None:
    prompt = whole_model(make_job(tiny=True, pages=1)).prompts()[0]
    pixels = prompt.images["pixel_values"]
    # Mean and deviation of 0.5 turn 0..255 into -1..1; the ground is 245, ink 25.
    assert -1 <= float(pixels.min()) < 0
    assert 0.9 < float(pixels.max()) <= 1


def test_the_notes_say_what_is_not_as_published() -> None:
    notes = " ".join(whole_model(make_job()).notes)
    assert "tokenizer" in notes
    assert "returns 144 features for a tile of 640 pixels" in notes
    assert "DeepSeek-OCR returns 100" in notes
