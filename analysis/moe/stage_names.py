"""Which stage of a whole pipeline a launch belongs to, told by its function's name."""

import re
from collections.abc import Sequence
from enum import StrEnum

from dsprof.analysis.name_normal import normalize


class PipelineStage(StrEnum):
    """Stages that a reader knows, in the order in which a pipeline has them."""

    GATE = "gate"
    SORT = "sort/align"
    QUANTISE = "quantise"
    SHUFFLE = "shuffle"
    SET_UP = "GEMM set-up"  # pointers and sizes of each expert's product
    GATE_UP = "GEMM gate_up"
    ACTIVATION = "activation"
    DOWN = "GEMM down"
    REDUCE = "reduce"
    ELEMENTWISE = "PyTorch elementwise"  # fills and casts between the others


UNNAMED = "<unnamed>::"  # namespace, as names are normalised
GEMMS = (PipelineStage.GATE_UP, PipelineStage.DOWN)

# Tried in order, on the function's own name. What is fused with a GEMM has its name,
# and what is fused with the activation has the activation's.
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), stage)
    for pattern, stage in (
        (r"fused_gate(?!_up)|topk_gating|grouped_topk", PipelineStage.GATE),
        (r"gate_up", PipelineStage.GATE_UP),
        (r"(?:fused_moe|gemm)\w*_(?:silu|swiglu)", PipelineStage.GATE_UP),
        (r"(?:moe|gemm|proj|expert)\w*_down(?![a-z])", PipelineStage.DOWN),
        (r"get_group_gemm_starts|^pair_blocks", PipelineStage.SET_UP),
        (r"moe_align|count_and_sort|sort_tokens|arg_sorts", PipelineStage.SORT),
        (r"compute_(?:problem_sizes|expert_\w*offsets)", PipelineStage.SORT),
        (
            r"(?:moe|expert|shuffle)\w*_(?:sum|reduce|combine)(?![a-z])",
            PipelineStage.REDUCE,
        ),
        (r"^sum_rows", PipelineStage.REDUCE),
        (r"shuffle", PipelineStage.SHUFFLE),
        (r"act_and_mul|silu|swiglu", PipelineStage.ACTIVATION),
        (r"quant", PipelineStage.QUANTISE),
        (r"elementwise_kernel", PipelineStage.ELEMENTWISE),
    )
)
# Products that do not say which of the two they are; their order does.
_UNNAMED_GEMM = re.compile(
    r"device_kernel|group(?:ed)?_?gemm|fused_moe|moe_gemm", re.IGNORECASE
)
_MANGLED = re.compile(r"_Z(N?)[rVK]*(?:St)?(?=\d)")  # of the Itanium C++ ABI
_LENGTH = re.compile(r"\d+")
_SPLIT_SUM = re.compile(r"split_?k", re.IGNORECASE)  # belongs to the product before it


def short_name(function_name: str) -> str:
    """The function's own name, without namespaces, template arguments, parameters.

    Of a mangled name too: a tracer leaves those that its demangler cannot read.
    """
    if mangled := _MANGLED.match(function_name):
        return _last_part(function_name[mangled.end() :], nested=bool(mangled[1]))
    plain = normalize(function_name).replace(UNNAMED, "")
    head = plain.split("<", 1)[0].removesuffix("()")
    return head.rsplit("::", 1)[-1] or function_name


def _last_part(lengths: str, *, nested: bool) -> str:
    """The last of the parts, each behind its length: ``2ns4nameI`` has two."""
    name, at = lengths, 0
    while size := _LENGTH.match(lengths, at):
        at = size.end() + int(size[0])
        name = lengths[size.end() : at]
        if not nested:
            break
    return name


def stages_of(function_names: Sequence[str]) -> list[str]:
    """A stage for each launch of one call, in their order.

    A launch that no pattern knows has its function's name. Products without a name of
    their own are gate_up before the named down, down after the named gate_up, or the
    first half and the second half of them; an odd number of them stays as it is.
    """
    names = [short_name(name) for name in function_names]
    found: list[str | None] = [_by_name(name) for name in names]
    unnamed = [
        at
        for at, name in enumerate(names)
        if found[at] is None and _UNNAMED_GEMM.search(name) and not _is_split_sum(name)
    ]
    for at, stage in _by_order(found, unnamed).items():
        found[at] = stage
    before: str | None = None
    for at, name in enumerate(names):
        if found[at] is None and before and _is_split_sum(name):
            found[at] = before
        before = found[at] if found[at] in GEMMS else before
    return [
        str(stage) if stage is not None else name
        for stage, name in zip(found, names, strict=True)
    ]


def _is_split_sum(name: str) -> bool:
    return _SPLIT_SUM.search(name) is not None


def _by_name(name: str) -> PipelineStage | None:
    return next((stage for one, stage in _PATTERNS if one.search(name)), None)


def _by_order(
    found: Sequence[str | None], unnamed: Sequence[int]
) -> dict[int, PipelineStage]:
    named = [stage for stage in GEMMS if stage in found]
    if not named:
        if len(unnamed) % 2:
            return {}
        half = len(unnamed) // 2
        return {
            at: PipelineStage.GATE_UP if i < half else PipelineStage.DOWN
            for i, at in enumerate(unnamed)
        }
    if len(named) == len(GEMMS):
        return {}
    (missing,) = (stage for stage in GEMMS if stage not in found)
    at_named = list(found).index(named[0])
    return {
        at: missing
        for at in unnamed
        if (at > at_named) is (missing is PipelineStage.DOWN)
    }
