"""model.md: the page of a recorded program."""

from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.analysis.nsys_sqlite import read_nsys_sqlite
from dsprof.analysis.plots.style import to_png
from dsprof.analysis.report.documents import join_documents
from dsprof.analysis.report.folder import is_report, write_report
from dsprof.analysis.report.model import ModelPage, is_model_file, model_pages
from dsprof.analysis.report.model_setup import program_table
from dsprof.harness.counters import counter_metrics
from dsprof.harness.profile import Profile
from tests.analysis.planted import (
    DECODE,
    GEMV,
    OWN,
    Planted,
    model_profile,
    timeline_of,
)
from tests.conftest import Factory

SAMPLES = Path(__file__).parents[3] / "../shared/samples/public"
HEADINGS = (
    *("## Overview", "## Setup", "## Top kernels by total time"),
    *("### Key observations", "### Time by family and by library"),
    *("## Classes of the top kernels", "### Characteristics by class"),
    *("### What the counters mean", "## Longest launches", "## Histograms"),
    *("### Normalized roofline", "### Physical roofline", "## Headroom"),
    *("## Conclusions", "### Bottlenecks", "### Recommendations for optimization"),
    *("## Methodology", "## Kernel names"),
)


def part(markdown: str, heading: str) -> str:
    """The text from a heading to the next."""
    _, _, rest = markdown.partition(f"{heading}\n")
    return rest.partition("\n#")[0]


def row(markdown: str, start: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.fixture
def profile(make_profile: Factory, make_counters: Factory) -> Profile:
    return model_profile(make_profile, make_counters)


@pytest.fixture
def page(profile: Profile) -> ModelPage:
    (page,) = model_pages(profile)
    return page


def test_the_page_has_every_section_in_order(page: ModelPage) -> None:
    places = [page.text.index(f"\n{heading}\n") for heading in HEADINGS]
    assert places == sorted(places)
    assert page.text.startswith("# Model profile: deepseek-v3, decode, eager\n")


def test_kernels_have_their_times_and_the_range_adds_up(page: ModelPage) -> None:
    text = part(page.text, "## Top kernels by total time")
    assert row(text, "| 1 ")[:4] == ["1", "50.0", "cuBLAS", "GEMV (BF16, template=7)"]
    assert row(text, "| 1 ")[5:] == [
        *("20", "0.500", "25.0", "25.0", "22.5", "30.0", "1"),
    ]
    wall = part(page.text, "### Where the wall time goes")
    assert "gaps 0.111 ms; wall 1.111 ms" in wall


def test_options_of_the_program_are_its_configuration(page: ModelPage) -> None:
    text = part(page.text, "### Model and program")
    assert row(text, "| Model ")[1] == "`deepseek-v3`"
    assert row(text, "| `--mode` ")[1] == "`eager`"


@pytest.mark.parametrize(
    ("program", "rows"),
    [
        ("", []),
        ("./a.out", []),
        ("app --fast --n 3 --k=4", ["`--fast` set", "`--n` `3`", "`--k` `4`"]),
        ("app --last", ["`--last` set"]),
        ("app 'unclosed --x 1", ["`--x` `1`"]),
    ],
)
def test_any_program_has_a_table_of_its_options(program: str, rows: list[str]) -> None:
    made = [
        " ".join(cell if isinstance(cell, str) else f"`{cell.text}`" for cell in cells)
        for cells in program_table(program).rows
    ]
    assert made == rows


def test_classes_are_counted_by_kernels_and_by_time(page: ModelPage) -> None:
    text = part(page.text, "## Classes of the top kernels")
    assert row(text, "| memory-bound") == ["memory-bound", "4", "80.0", "76.0"]
    assert row(text, "| compute-bound") == ["compute-bound", "1", "20.0", "20.0"]
    assert row(text, "| 6 ")[-1] == "it was not captured"


def test_class_means_have_the_weighted_one_beside_them(page: ModelPage) -> None:
    text = part(page.text, "### Characteristics by class")
    means = row(text, "| SM throughput")
    assert means[1:] == ["81.0", "12.0", "25.8", "26.4"]


def test_every_metric_name_is_the_one_that_is_captured(page: ModelPage) -> None:
    text = part(page.text, "### What the counters mean")
    for name in ("sm_pct", "memory_pct", "l1_hit_pct", "tensor_pipe_pct"):
        (metric, *_) = counter_metrics()[name].names(9)
        assert f"`{metric}`" in text


def test_headroom_is_ranked_by_time_to_win(page: ModelPage) -> None:
    text = part(page.text, "## Headroom")
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    gains = [float(line.split(" | ")[2]) for line in lines]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx(14.0)  # 50 % x (1 - 18 us / 25 us)


def test_a_timeline_without_counters_is_an_honest_page(profile: Profile) -> None:
    (page,) = model_pages(replace(profile, counters=(), captures=()))
    assert "no class is possible without counters" in page.text
    assert "## Classes" not in page.text
    assert "## Headroom" not in page.text
    assert "Without counters nothing is known" in page.text
    assert list(page.draws) == ["figures/model-families.png"]
    assert "figures/model-physical.png" not in page.text


def test_names_with_quotes_commas_pipes_and_html_stay_text(page: ModelPage) -> None:
    assert OWN.replace("|", r"\|") in page.text
    html = join_documents([page.text], {}).body
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    names = part(page.text, "## Kernel names")
    assert f"`{GEMV}`" in names


def test_a_hostile_program_line_and_notes_stay_text(
    make_profile: Factory, make_counters: Factory
) -> None:
    timeline = timeline_of(
        DECODE[:1],
        program="app --x '<script>|`'\n``` --y",
        notes=("<script>a|b</script>",),
        device_names=("$GPU$ <b>",),
    )
    profile = model_profile(
        make_profile, make_counters, DECODE[:1], timelines=(timeline,)
    )
    (page,) = model_pages(profile)
    assert "<script" not in join_documents([page.text], {}).body
    assert to_png(page.draws["figures/model-families.png"]())


def test_every_range_of_every_timeline_has_a_page_of_its_own(
    make_profile: Factory, make_counters: Factory
) -> None:
    both = timeline_of(DECODE)
    prefill = timeline_of(DECODE[:2], "prefill")
    both = replace(
        both,
        ranges=(*both.ranges, prefill.ranges[1]),
        kernels=(*both.kernels, *prefill.kernels),
    )
    profile = model_profile(
        make_profile,
        make_counters,
        timelines=(both, timeline_of(DECODE, "", mode="CUDA graph")),
    )
    pages = model_pages(profile)
    assert [one.name for one in pages] == ["model.md", "model-2.md", "model-3.md"]
    assert "prefill, eager" in pages[1].text.splitlines()[0]
    assert "whole recording, CUDA graph" in pages[2].text.splitlines()[0]
    assert "figures/model-2-families.png" in pages[1].text
    assert len({path for one in pages for path in one.draws}) == sum(
        len(one.draws) for one in pages
    )


def test_a_report_has_the_page_and_its_figures(
    make_profile: Factory, make_counters: Factory, tmp_path: Path
) -> None:
    kernels = (DECODE[0], Planted(name=OWN, total_us=40.0, counters=None))
    profile = model_profile(make_profile, make_counters, kernels)
    written = write_report(profile, tmp_path, each_kernel=True)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert {"model.md", "counters.md", "index.html"} <= names
    assert "roofline.md" not in names
    assert "figures/kernels/model-01.png" in names
    assert "figures/kernels/model-02.png" not in names  # no counters
    text = (tmp_path / "model.md").read_text("utf-8")
    linked = {name for name in names if f"]({name})" in text}
    assert {name for name in names if name.startswith("figures/model")} <= linked
    assert is_report(tmp_path)


def test_only_names_of_this_page_are_a_reports() -> None:
    assert is_model_file("model-12.md")
    assert is_model_file("figures/model-2-headroom.png")
    assert is_model_file("figures/kernels/model-07.png")
    for name in ("models.md", "figures/model-a/b.png", "model.md.bak", "kernels"):
        assert not is_model_file(name)


def test_one_kernel_and_an_empty_range_still_make_a_page(
    make_profile: Factory, make_counters: Factory
) -> None:
    one = model_profile(
        make_profile, make_counters, (Planted(name=GEMV, total_us=9.0, instances=1),)
    )
    (page,) = model_pages(one)
    for name in ("physical", "normalized", "headroom"):
        assert to_png(page.draws[f"figures/model-{name}.png"]())
    empty = replace(one.timelines[0], kernels=())
    (page,) = model_pages(replace(one, timelines=(empty,)))
    assert "No kernel ran in this range." in page.text
    for draw in page.draws.values():
        assert to_png(draw())


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.sqlite")), ids=lambda p: p.stem)
def test_real_recordings_of_others_have_a_page(
    make_profile: Factory, path: Path
) -> None:
    profile = make_profile(measurements=(), timelines=(read_nsys_sqlite(path),))
    (page,) = model_pages(profile)
    assert "No counters" in page.text
    assert "| 1 |" in page.text
