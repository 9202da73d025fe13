"""moe.md: routed experts of one or several geometries on one GPU."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.attained import implications, regime_findings
from dsprof.analysis.moe.levers import use_findings
from dsprof.analysis.moe.observations import (
    accounts_findings,
    crossover_words,
    minimum_time_findings,
    regime_least_findings,
)
from dsprof.analysis.moe.speed import graph_findings, speed_findings
from dsprof.analysis.moe.study import Study
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.report.moe_counted_table import counted_table
from dsprof.analysis.report.moe_measured_tables import (
    actual_table,
    launch_tables,
    regime_table,
    stage_table,
)
from dsprof.analysis.report.moe_pipeline_tables import (
    breakdown_tables,
    efficiency_table,
    gemm_table,
    pipeline_table,
    untimed_table,
)
from dsprof.analysis.report.moe_tables import (
    accounts_table,
    crossover_table,
    geometry_table,
    hardware_table,
    minimum_table,
    per_token_table,
)
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class MoePart:
    """One geometry's sections."""

    study: Study
    title: str
    figure: FigureLink
    geometry: Table
    per_token: Table
    crossover: str
    crossovers: Table
    minimum: Table
    observations: list[Finding]
    accounts: Table
    account_reasons: list[Finding]
    unmeasured: str
    pipelines: Table
    efficiency: Table
    speed: list[Finding]
    untimed: Table
    breakdowns: dict[str, Table]  # by pipeline
    stage_figure: FigureLink | None
    gemms: Table
    actual: Table
    graphs: list[Finding]
    stages: Table
    launches: dict[str, Table]  # by call
    counted: Table
    regimes: Table
    by_regime: dict[str, list[Finding]]
    implications: list[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeView:
    """Everything that moe.md.j2 prints."""

    device: str
    is_analytic: bool
    hardware: Table
    parts: list[MoePart]
    command: str


def render_moe(studies: Sequence[Study], command: str) -> str:
    """The page as Markdown; all studies are of one GPU and number format."""
    first = studies[0]
    return render(
        "moe.md.j2",
        MoeView(
            device=first.device.name,
            is_analytic=not any(study.recorded.curves for study in studies),
            hardware=hardware_table(first),
            parts=[_part(study) for study in studies],
            command=command,
        ),
    )


def figure_link(study: Study) -> FigureLink:
    """The chart of a geometry, under a name that tells it from others' charts."""
    geometry = study.geometry
    return FigureLink(
        path=f"figures/moe-{geometry.local_experts}-of-{geometry.experts}.png",
        title=f"Routed experts, {geometry.title} in "
        f"{geometry.number_format.upper()}, {study.device.name}"
        + ("" if study.recorded.curves else ", analytic"),
    )


def stage_figure_link(study: Study) -> FigureLink | None:
    """The picture of the pipelines' stages; None where no launch was recorded."""
    if not any(
        point.breakdown for curve in study.recorded.pipelines for point in curve.points
    ):
        return None
    geometry = study.geometry
    return FigureLink(
        path=f"figures/moe-{geometry.local_experts}-of-{geometry.experts}-stages.png",
        title=f"Stages of routed experts, {geometry.title} in "
        f"{geometry.number_format.upper()}, {study.device.name}",
    )


def _part(study: Study) -> MoePart:
    geometry = study.geometry
    kind = study.main_kind
    crossover = crossover_words(study.crossover(kind))
    roof = "rated" if kind is RoofKind.SPEC else f"measured ({kind})"
    return MoePart(
        study=study,
        title=geometry.title[0].upper() + geometry.title[1:],
        figure=figure_link(study),
        geometry=geometry_table(study),
        per_token=per_token_table(study),
        crossover=f"{study.routing}, {roof} roof: {crossover}",
        crossovers=crossover_table(study),
        minimum=minimum_table(study),
        observations=minimum_time_findings(study),
        accounts=accounts_table(study),
        account_reasons=accounts_findings(study),
        unmeasured=_unmeasured(study),
        pipelines=pipeline_table(study),
        efficiency=efficiency_table(study),
        speed=list(speed_findings(study.recorded)),
        untimed=untimed_table(study),
        breakdowns=breakdown_tables(study),
        stage_figure=stage_figure_link(study),
        gemms=gemm_table(study),
        actual=actual_table(study),
        graphs=list(graph_findings(study.recorded)),
        stages=stage_table(study),
        launches=launch_tables(study),
        counted=counted_table(study),
        regimes=regime_table(study),
        by_regime={
            f"{bound.capitalize()}-bound": found
            for bound in (Bound.MEMORY, Bound.COMPUTE)
            if (
                found := [
                    *regime_least_findings(study, bound),
                    *regime_findings(study, bound),
                ]
            )
        },
        implications=[*use_findings(study), *implications(study)],
    )


def _unmeasured(study: Study) -> str:
    """Which of the asked T no way was measured at."""
    if not study.recorded.curves:
        return study.recorded.why_none
    missing = [one for one in study.tokens if one not in study.recorded.tokens]
    if not missing:
        return ""
    listed = ", ".join(f"{tokens:,}" for tokens in missing)
    return f"Of the T of the table above, not measured: {listed}."
