"""The tables of moe.md, one geometry each."""

from dsprof.analysis.moe.bounds import least_time_s, regime
from dsprof.analysis.moe.geometry import PROJECTIONS, NumberFormat
from dsprof.analysis.moe.observations import US, crossover_words
from dsprof.analysis.moe.routing import Routing, rows_per_token
from dsprof.analysis.moe.study import Study, memory_bytes, rated_spec
from dsprof.analysis.moe.work import activation_bytes
from dsprof.analysis.numerals import (
    MISSING,
    rated,
    scaled_bytes,
    scaled_flops,
    significant,
)
from dsprof.analysis.report.hardware import GIGA, TERA, datapath_name
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.roofs import RoofKind

DIGITS = 4  # of what the rest is made from


def hardware_table(study: Study) -> Table:
    """Both roofs of the format's datapath as rated and as measured, and the ridge."""
    path = study.geometry.number_format.datapath
    kinds = list(study.roofs)
    sources = study.device.sources
    memory = memory_bytes(study.device)
    rows = [
        (
            f"{datapath_name(path)}, dense",
            *(f"{rated(study.roofs[k].flops_per_s / TERA)} TFLOP/s" for k in kinds),
            sources.get(f"flops_per_s.{path}", MISSING),
        ),
        (
            "HBM bandwidth",
            *(f"{rated(study.roofs[k].bytes_per_s / GIGA)} GB/s" for k in kinds),
            sources.get("hbm_bytes_per_s", MISSING),
        ),
        (
            "Ridge point",
            *(f"{rated(study.roofs[k].ridge_point)} FLOP/byte" for k in kinds),
            "the first over the second",
        ),
    ]
    if memory is not None:
        no_more = [MISSING] * (len(kinds) - 1)
        source = rated_spec(study.device).sources.get("memory_bytes", MISSING)
        rows.append(("Memory", scaled_bytes(memory), *no_more, source))
    names = {RoofKind.SPEC: "Rated"}
    headings = (names.get(kind, f"Measured, {kind}") for kind in kinds)
    return Table(
        headings=("Parameter", *(f">{one}" for one in headings), "Source of the rated"),
        rows=rows,
    )


def geometry_table(study: Study) -> Table:
    geometry = study.geometry
    rows = [
        ("Experts on the GPU", f"{geometry.local_experts} of {geometry.experts}"),
        ("Top-k", str(geometry.top_k)),
        ("Groups, of which a token takes", f"{geometry.groups}, {geometry.top_groups}"),
        ("Hidden size (H)", str(geometry.hidden)),
        ("Intermediate size (I)", str(geometry.intermediate)),
        ("Format of weights and operands", geometry.number_format.upper()),
    ]
    if geometry.number_format is not NumberFormat.BF16:
        rows.append(("Values that share a scale", _block(study)))
    return Table(headings=("Parameter", ">Value"), rows=rows)


def _block(study: Study) -> str:
    block = study.geometry.block_size
    is_square = study.geometry.number_format is NumberFormat.FP8
    return (
        f"{block} x {block} of weights, {block} of a row" if is_square else f"{block}"
    )


def per_token_table(study: Study) -> Table:
    """FLOP, activation bytes and weight bytes, in both accounts of the routing."""
    geometry = study.geometry
    rows = [
        (
            f"Rows a token, {geometry.top_k} where all experts are local",
            *(significant(rows_per_token(geometry, one), DIGITS) for one in Routing),
        )
    ]
    parts = {"GEMM1 (gate, up)": PROJECTIONS - 1, "GEMM2 (down)": 1}
    for name, matrices in parts.items():
        flops = geometry.row_flops * matrices / PROJECTIONS
        rows.append((f"FLOP a token, {name}", *_of_rows(study, flops)))
    rows.append(("FLOP a token", *_of_rows(study, geometry.row_flops)))
    of_routing = [activation_bytes(geometry, one) for one in Routing]
    for name in dict.fromkeys(name for one in of_routing for name in one):
        cells = (
            f"{significant(one[name] / 1e3, DIGITS)} KB" if name in one else MISSING
            for one in of_routing
        )
        rows.append((f"Bytes a token, {name}", *cells))
    sums = (f"{significant(sum(one.values()) / 1e3, DIGITS)} KB" for one in of_routing)
    rows.append(("Activation bytes a token", *sums))
    weights = f"{significant(geometry.local_weight_bytes / GIGA, DIGITS)} GB"
    rows.append(
        ("Weight bytes with scales", f"up to {weights}, by T", f"{weights}, at any T")
    )
    return Table(headings=("Metric", *(f">{one}" for one in Routing)), rows=rows)


def _of_rows(study: Study, row_flops: float) -> list[str]:
    return [
        f"{significant(rows_per_token(study.geometry, one) * row_flops / 1e6, DIGITS)} "
        "MFLOP"
        for one in Routing
    ]


def crossover_table(study: Study) -> Table:
    """By account of the routing and roof."""
    return Table(
        headings=("Roof", ">Ridge (FLOP/byte)", *(f"{one}" for one in Routing)),
        rows=[
            (
                "rated" if kind is RoofKind.SPEC else f"measured, {kind}",
                significant(roof.ridge_point, DIGITS),
                *(crossover_words(study.crossover(kind, one)) for one in Routing),
            )
            for kind, roof in study.roofs.items()
        ],
    )


def minimum_table(study: Study) -> Table:
    """Least time by tokens under the rated roof, and under the measured one."""
    is_measured = study.main_kind is not RoofKind.SPEC
    kind = study.main_kind
    measured = (f"Bound, {kind} roof", f">Theory min, {kind} roof (us)")
    rows = []
    for tokens in study.tokens:
        done = study.work(tokens)
        at_main = (
            str(regime(done, study.main)),
            time_us(least_time_s(done, study.main)),
        )
        rows.append(
            (
                str(tokens),
                f"{done.rows:,.0f}",
                significant(done.experts, DIGITS),
                scaled_flops(done.flops),
                scaled_bytes(done.total_bytes),
                intensity(done.intensity),
                str(regime(done, study.rated)),
                time_us(least_time_s(done, study.rated)),
                *(at_main if is_measured else ()),
            )
        )
    return Table(
        headings=(
            *(">T", ">Rows", ">Experts read", ">FLOP", ">Bytes", ">AI (FLOP/byte)"),
            *("Bound", ">Theory min (us)", *(measured if is_measured else ())),
        ),
        rows=rows,
    )


def accounts_table(study: Study) -> Table:
    """The two accounts of the routing side by side, under the rated roof."""
    rows = []
    for tokens in study.tokens:
        expected, forced = (study.work(tokens, one) for one in Routing)
        times = [least_time_s(one, study.rated) for one in (expected, forced)]
        rows.append(
            (
                str(tokens),
                *(significant(one.experts, DIGITS) for one in (expected, forced)),
                *(scaled_bytes(one.total_bytes) for one in (expected, forced)),
                *(scaled_flops(one.flops) for one in (expected, forced)),
                *(time_us(one) for one in times),
                significant(times[1] / times[0]),
            )
        )
    names = ("Experts read", "Bytes", "FLOP", "Theory min (us)")
    return Table(
        headings=(
            ">T",
            *(f">{name}, {one}" for name in names for one in Routing),
            ">Times as long",
        ),
        rows=rows,
    )


def time_us(seconds: float) -> str:
    return significant(seconds * US)


def intensity(value: float) -> str:
    """One digit after the point, so that neighbours of a ridge can be told apart."""
    return f"{value:,.1f}"
