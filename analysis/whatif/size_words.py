"""Names the layer that numbers belong to."""

from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.terms import LayerTerms


def size_words(layer: LayerTerms) -> str:
    """For example ``decode B=32, kv_len 4096``."""
    size = ProblemSize(
        phase=layer.phase, batch_size=layer.batch_size, seq_len=layer.seq_len
    )
    kv = "" if layer.kv_len is None else f", kv_len {layer.kv_len}"
    return f"{size.title}{kv}"


def row_words(layer: LayerTerms) -> str:
    """The same with path and cache state: which rows of a profile were added up."""
    return f"{size_words(layer)}, {layer.path}, {layer.cache} L2"
