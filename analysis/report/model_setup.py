"""Tables of what a model's page was recorded with: program, tools, software."""

import shlex
from collections.abc import Mapping

from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.harness.captures import Capture
from dsprof.harness.timeline import TimelineTool

MODEL_PROGRAM = "dsprof.harness.models.program"
TOOLS = {
    TimelineTool.NSYS: "Nsight Systems",
    TimelineTool.TORCH: "torch.profiler (Kineto)",
}


def configuration_table(model: ModelKernels) -> Table:
    """What was recorded, with what, and how the counters were taken."""
    timeline, time = model.timeline, model.time
    rows: list[tuple[str, Cell]] = [
        ("Timeline", f"{TOOLS[timeline.tool]} {timeline.tool_version}".strip()),
        ("GPUs that worked", ", ".join(timeline.device_names) or MISSING),
        ("Range", Code(model.range) if model.range else "the whole recording"),
        ("Occurrences with GPU work", f"{time.instances:,}"),
        ("Launches", timeline.mode or "mode not known"),
        ("Recorded", timeline.started or MISSING),
        ("Seconds recorded", significant(timeline.wall_s)),
    ]
    rows += [("Counters", _capture_words(one)) for one in model.profile.captures]
    return Table(headings=("Part", "Value"), rows=rows)


def _capture_words(capture: Capture) -> str:
    return (
        f"Nsight Compute {capture.ncu_version}, {capture.cache} L2, "
        f"{capture.launches:,} launches, at most {capture.max_passes} passes, "
        f"{significant(capture.wall_s)} s"
    )


def program_table(program: str) -> Table:
    """Options of a command line, a row each; of dsprof's own models the model too."""
    try:
        words = shlex.split(program)
    except ValueError:  # a recording may hold any text
        words = program.split()
    rows: list[list[Cell]] = []
    if MODEL_PROGRAM in words:
        words = words[words.index(MODEL_PROGRAM) + 1 :]
        rows.append(["Model", Code(words[0] if words else MISSING)])
    for position, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            after = words[position + 1] if position + 1 < len(words) else "--"
            given = value if equals else "" if after.startswith("-") else after
            rows.append([Code(name), Code(given) if given else "set"])
    return Table(headings=("Option", "Value"), rows=rows)


def about_table(about: Mapping[str, str]) -> Table:
    """What the program printed about itself, a field a row."""
    return Table(
        headings=("Field", "Value"),
        rows=[(Code(name), _shown(value)) for name, value in about.items() if value],
    )


def _shown(value: str) -> str:
    """Numbers as elsewhere on the page; counts in full."""
    try:
        return f"{int(value):,}"
    except ValueError:
        pass
    try:
        return significant(float(value))
    except ValueError:
        return value


def environment_table(model: ModelKernels) -> Table:
    """Versions and settings of the recording machine that are known."""
    return Table(
        headings=("Part", "Version or value"),
        rows=[
            (Code(name), value)
            for name, value in model.profile.environment.items()
            if value is not None
        ],
    )
