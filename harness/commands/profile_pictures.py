"""What dsprof roofline draws of a profile: physical, normalized, by level, a kernel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.harness.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dsprof.analysis.report.roofline import FigureLink
    from dsprof.harness.profile import Profile
    from dsprof.harness.records import Phase


class View(StrEnum):
    """How points are placed; the values are what titles call it."""

    PHYSICAL = "roofline"
    HIERARCHY = "hierarchical roofline"
    NORMALIZED = "normalized roofline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """A profile, or one kernel of it, with its rows; ``counted`` may be empty."""

    profile: "Profile"
    timed: "pd.DataFrame"
    counted: "pd.DataFrame"
    view: View
    kernel: str | None

    def figure(self, phase: "Phase | None") -> "Figure":
        """Draw the points of a phase, or of all."""
        timed, counted = self._of(self.timed, phase), self._of(self.counted, phase)
        where = "" if phase is None else f", {phase}"
        if self.kernel is not None:
            where = f" of {self.kernel}{where}"
        match self.view:
            case View.HIERARCHY:
                return self._hierarchy(counted, where)
            case View.NORMALIZED:
                return self._normalized(timed, counted, where)
            case View.PHYSICAL:
                return self._physical(timed, counted, phase)

    def page(self, figures: "Sequence[FigureLink]") -> str:
        """The Markdown page: of times, or of counters where there is no time."""
        from dsprof.analysis.report.counters import render_counters
        from dsprof.analysis.report.roofline import render_roofline

        if self.profile.measurements or not self.profile.counters:
            return render_roofline(self.profile, figures, self.timed)
        return render_counters(self.profile, self.counted, rooflines=figures)

    @staticmethod
    def _of(rows: "pd.DataFrame", phase: "Phase | None") -> "pd.DataFrame":
        return rows if phase is None else rows[rows["phase"] == phase.value]

    def _hierarchy(self, counted: "pd.DataFrame", where: str) -> "Figure":
        from dsprof.analysis.plots.counter_roofline import hierarchy_figure

        title = f"{_capital(self.view)}{where}"
        profile = self.profile
        return hierarchy_figure(counted, profile.device, profile.ceilings, title=title)

    def _normalized(
        self, timed: "pd.DataFrame", counted: "pd.DataFrame", where: str
    ) -> "Figure":
        from dsprof.analysis.plots.normalized import (
            analytic_rows,
            counted_rows,
            normalized_figure,
        )

        rows = counted_rows(counted) if len(self.counted) else analytic_rows(timed)
        title = f"{_capital(self.view)}{where}, {self.profile.device.name}"
        return normalized_figure(rows, title=title)

    def _physical(
        self, timed: "pd.DataFrame", counted: "pd.DataFrame", phase: "Phase | None"
    ) -> "Figure":
        from dsprof.analysis.plots.counter_roofline import overlay_figure
        from dsprof.analysis.plots.kernel_roofline import (
            counted_points,
            kernel_figure,
            timed_points,
        )
        from dsprof.analysis.plots.roofline import roofline_figure

        device, ceilings = self.profile.device, self.profile.ceilings
        where = "" if phase is None else f", {phase}"
        if self.kernel is not None:
            points = [*timed_points(timed), *counted_points(counted)]
            name = f"{self.kernel}{where}"
            return kernel_figure(points, device, ceilings, kernel=name)
        if len(self.counted):
            title = f"Analytic and measured roofline{where}"
            return overlay_figure(counted, device, ceilings, title=title)
        return roofline_figure(timed, device, phase=phase, ceilings=ceilings)


def picture(path: Path, *, view: View, kernel: str | None) -> Pictured:
    """Load a profile to be drawn; a UsageError where it has not what is asked for."""
    from dsprof.analysis.frames import measurements_frame
    from dsprof.analysis.merged_frame import merged_frame
    from dsprof.analysis.report.summary import COUNTERS_COMMAND
    from dsprof.analysis.shown_rows import shown_rows
    from dsprof.harness.store import load_profile

    profile = load_profile(path)
    if view is View.HIERARCHY and not profile.counters:
        add = COUNTERS_COMMAND.replace("PROFILE", str(path))
        raise UsageError(
            f"--hierarchy draws what counters say of DRAM, L2 and L1, and {path} has "
            f"no counters. Add them with: {add}."
        )
    timed, counted = measurements_frame(profile), shown_rows(merged_frame(profile))
    if kernel is not None:
        known = dict.fromkeys([*timed["kernel"], *counted["kernel"]])
        if kernel not in known:
            raise UsageError(
                f"No kernel '{kernel}' in {path}. It has: {', '.join(known)}."
            )
        timed = timed[timed["kernel"] == kernel]
        counted = counted[counted["kernel"] == kernel]
        profile = _only(profile, kernel, set(counted["kernel_names"]))
    return Pictured(
        profile=profile, timed=timed, counted=counted, view=view, kernel=kernel
    )


def _only(profile: "Profile", kernel: str, full_names: set[str]) -> "Profile":
    """The profile with the rows of a kernel; full names are those of its launches."""
    return replace(
        profile,
        measurements=tuple(
            row for row in profile.measurements if row.point.kernel == kernel
        ),
        counters=tuple(
            launch
            for launch in profile.counters
            if launch.label.startswith(f"{kernel}/")
            or (not launch.label and launch.kernel_name in full_names)
        ),
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
