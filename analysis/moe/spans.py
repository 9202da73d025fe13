"""One way's measured points within one regime."""

from dataclasses import dataclass

from dsprof.analysis.moe.curves import Curve
from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One curve within one regime."""

    curve: Curve
    bound: Bound
    points: tuple[Reached, ...]  # by tokens; never empty
    kind: RoofKind  # that efficiencies are of

    def share(self, one: Reached) -> float:
        """Of the roof that efficiencies are of."""
        return one.efficiency[self.kind]

    @property
    def best(self) -> Reached:
        return max(self.points, key=self.share)

    @property
    def worst(self) -> Reached:
        return min(self.points, key=self.share)


def spans(study: Study) -> list[Span]:
    """Every curve in every regime that it has points in, memory first.

    Of the whole pipelines alone, where the profile has such.
    """
    reached = study.reached()
    found = []
    for bound in (Bound.MEMORY, Bound.COMPUTE):
        for curve in study.recorded.preferred:
            points = tuple(
                one for one in reached if one.curve is curve and one.bound is bound
            )
            if points:
                found.append(
                    Span(curve=curve, bound=bound, points=points, kind=study.main_kind)
                )
    return found
