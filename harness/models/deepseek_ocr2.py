"""DeepSeek-OCR-2 for transformers: the published sizes, reading synthetic pages.

Its tokenizer would have to be downloaded, so token ids are made here: one beginning,
as many image tokens as the vision part returns features, and a short instruction. The
images go through transformers' own processor.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from dsprof.harness.models.job import NO_REPEAT_NGRAM, ModelJob
from dsprof.harness.models.libraries import image_processor, import_transformers
from dsprof.harness.models.pages import make_pages
from dsprof.harness.models.whole_model import Prompt, WholeModel

BF16_BYTES = 2
# Most of it in the SAM part: a bias for every pair of a page's 4096 patches, by head.
# 20 pages on an H200 needed 1.3 GB beside weights; the rest is for CUDA itself.
WORKING_BYTES = 3 * 2**30
BEGINNING = 0
IMAGE_TOKEN = 128815
INSTRUCTION_TOKENS = 11  # what "Convert the document to markdown." comes to, roughly
MOST_TILES = 6
SAM_DOWNSAMPLING = 4  # patches to a side of one feature
FEW_QUERIES, MANY_QUERIES = 144, 256  # learned for views of 768 and 1024 pixels
SEPARATORS = 1  # the view separator, after the tiles and the page

# transformers' defaults are another model's; config.json has these.
TEXT: dict[str, Any] = {
    "vocab_size": 129280,
    "hidden_size": 1280,
    "intermediate_size": 6848,
    "moe_intermediate_size": 896,
    "num_hidden_layers": 12,
    "num_attention_heads": 10,
    "num_key_value_heads": 10,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "greedy",
    "routed_scaling_factor": 1.0,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
    "bos_token_id": BEGINNING,
    "eos_token_id": 1,
}
SAM: dict[str, Any] = {
    "hidden_size": 768,
    "output_channels": 256,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 16,
    "image_size": 1024,
    "window_size": 14,
    "global_attn_indexes": [2, 5, 8, 11],
    "mlp_ratio": 4.0,
    "downsample_channels": [512, 896],
}
ENCODER: dict[str, Any] = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "use_sliding_window": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a page's views and the three parts of the model measure."""

    base_size: int  # side of the whole page's view, in pixels
    tile_size: int  # side of a tile that crop mode cuts
    text: dict[str, Any]
    sam: dict[str, Any]
    encoder: dict[str, Any]


PUBLISHED = Sizes(base_size=1024, tile_size=640, text=TEXT, sam=SAM, encoder=ENCODER)
TINY = Sizes(
    base_size=256,
    tile_size=128,
    text=TEXT
    | {
        "hidden_size": 64,
        "intermediate_size": 128,
        "moe_intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
    },
    sam=SAM
    | {
        "hidden_size": 32,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 256,
        "window_size": 4,
        "global_attn_indexes": [1],
        "downsample_channels": [16, 64],
    },
    encoder=ENCODER
    | {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
)


def whole_model(job: ModelJob) -> WholeModel:
    """Describe the model of a job, which reads its pages one at a time."""
    sizes = TINY if job.tiny else PUBLISHED
    text = sizes.text
    layers, moe = text["num_hidden_layers"], text["num_hidden_layers"] - 1
    config = import_transformers().DeepseekOcr2Config(
        text_config=text | {"mlp_layer_types": ["dense"] + ["sparse"] * moe},
        vision_config={
            "sam_config": sizes.sam,
            "encoder_config": sizes.encoder,
        },
        image_token_id=IMAGE_TOKEN,
        tie_word_embeddings=False,
    )
    longest = image_tokens(sizes, MOST_TILES) + 1 + INSTRUCTION_TOKENS
    return WholeModel(
        architecture="DeepseekOcr2ForConditionalGeneration",
        config=config,
        text_config=config.text_config,
        size=f"1 dense + {moe} MoE text layers, "
        f"{sizes.sam['num_hidden_layers']} SAM and "
        f"{sizes.encoder['num_hidden_layers']} encoder layers"
        + (", toy sizes" if job.tiny else ""),
        prompts=partial(_prompts, job, sizes),
        batch_size=1,
        most_tokens=job.pages * (longest + job.decode_tokens),
        cache_bytes_per_token=2 * layers * text["hidden_size"] * BF16_BYTES,
        working_bytes=WORKING_BYTES,
        no_repeat_ngram=NO_REPEAT_NGRAM,
        notes=_notes(sizes),
    )


def _notes(sizes: Sizes) -> tuple[str, ...]:
    tile, patches = features(sizes, sizes.tile_size), _patches(sizes, sizes.tile_size)
    return (
        (
            "DeepSeek-OCR-2 stands for DeepSeek-OCR: of the two transformers carries "
            "only this one, and both have the same language part, which decodes."
        ),
        (
            "Token ids are made up: the tokenizer would have to be downloaded. The "
            "number of image tokens is the model's own."
        ),
        (
            f"DeepSeek-OCR-2 returns {tile} features for a tile of {sizes.tile_size} "
            f"pixels, by learned queries, where DeepSeek-OCR returns {patches}."
        ),
    )


def features(sizes: Sizes, pixels: int) -> int:
    """Image tokens of a square view: the model's queries, of which it has two sets."""
    return FEW_QUERIES if _patches(sizes, pixels) <= FEW_QUERIES else MANY_QUERIES


def _patches(sizes: Sizes, pixels: int) -> int:
    return int((pixels // sizes.sam["patch_size"] // SAM_DOWNSAMPLING) ** 2)


def image_tokens(sizes: Sizes, tiles: int) -> int:
    """Image tokens of a page that is cut into so many tiles."""
    page = features(sizes, sizes.base_size)
    return tiles * features(sizes, sizes.tile_size) + page + SEPARATORS


def _prompts(job: ModelJob, sizes: Sizes) -> list[Prompt]:
    import torch

    processor = image_processor(base_size=sizes.base_size, tile_size=sizes.tile_size)
    dice = torch.Generator().manual_seed(job.seed)
    prompts = []
    for page in make_pages(job.pages, job.seed):
        images = processor(page, return_tensors="pt", input_data_format="channels_last")
        tiles = int(images["num_local_patches"][0])
        instruction = torch.randint(
            1, IMAGE_TOKEN, (INSTRUCTION_TOKENS,), generator=dice
        )
        ids = [BEGINNING, *[IMAGE_TOKEN] * image_tokens(sizes, tiles)]
        prompts.append(
            Prompt(
                token_ids=torch.cat([torch.tensor(ids), instruction]).unsqueeze(0),
                images=dict(images),
            )
        )
    return prompts
