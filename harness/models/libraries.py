"""Imports of the packages that the extra `models` installs, with the way to them."""

import os
from typing import Any

from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.versions import package_version

INSTALL_MODELS = "pip install '.[gpu,models]' in dsprof's checkout"


def import_transformers() -> Any:  # noqa: ANN401 -- its lazy modules have no types
    """Return the transformers module; an EnvironmentLacksError if it is too old.

    It is told to stay off the network: every weight is made here.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import transformers
        from transformers import (  # noqa: F401 -- the newest class that is needed
            DeepseekOcr2ForConditionalGeneration,
        )
    except ImportError as error:
        found = package_version("transformers")
        seen = f"transformers {found} cannot be used" if found else "It is missing"
        raise EnvironmentLacksError(
            f"Whole models are built with transformers 5.17.0. {seen} "
            f"({error}). Install it with: {INSTALL_MODELS}."
        ) from error
    return transformers


def image_processor(*, base_size: int, tile_size: int) -> Any:  # noqa: ANN401 -- likewise
    """DeepSeek-OCR-2's image processor: it needs Pillow, and no tokenizer."""
    import_transformers()
    try:
        from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (  # noqa: E501
            DeepseekOcr2ImageProcessorPil,
        )

        return DeepseekOcr2ImageProcessorPil(
            size={"height": base_size, "width": base_size},
            tile_size=tile_size,
            crop_to_patches=True,
        )
    except ImportError as error:
        raise EnvironmentLacksError(
            f"Page images are cut with Pillow, which cannot be imported ({error}). "
            f"Install it with: {INSTALL_MODELS}."
        ) from error
