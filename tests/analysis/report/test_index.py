"""index.html as text; tests/browser opens it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.report.documents import Heading
from dsprof.analysis.report.index import (
    SCRIPTS,
    WEB,
    page_data,
    render_index,
)
from dsprof.analysis.report.index_points import shown_counters
from dsprof.analysis.report.model import model_pages
from dsprof.analysis.report.whatif import fitted_cache
from dsprof.analysis.whatif.fit import fit_kernels
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    LayerKind,
    Phase,
    Slot,
    Status,
)
from tests.analysis.counted import counted_profile, gemm, point_of
from tests.analysis.planted import DECODE, model_profile
from tests.conftest import Factory


def page_of(profile: Profile, documents: Sequence[str] = ("# Part\n",)) -> str:
    cache = fitted_cache(profile)
    page = page_data(
        profile,
        measurements_frame(profile),
        shown_counters(profile),
        model_pages(profile),
        fit_kernels(profile, cache) if cache else None,
    )
    return render_index("A title", page, documents, {})


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def sections_of(page: str) -> list[str]:
    return re.findall(r'<section id="([a-z-]+)"', page)


def rows(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = {
        name: column
        if isinstance(column, list)
        else [column["of"][place] for place in column["at"]]
        for name, column in data.items()
    }
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def test_every_script_beside_the_template_is_in_the_page() -> None:
    assert {path.name for path in WEB.glob("*.js")} == set(SCRIPTS)


def test_scripts_run_by_their_hash_alone_and_build_no_markup() -> None:
    text = "\n".join((WEB / name).read_text("utf-8") for name in SCRIPTS)
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "Function("):
        assert word not in text
    assert "document.write" not in text


def test_the_policy_allows_the_pages_scripts_and_no_other_source(
    make_profile: Factory,
) -> None:
    page = page_of(make_profile())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy.group(1).startswith("default-src 'none'; ")
    sources = policy.group(1).partition("script-src ")[2].split()
    assert len(sources) == page.count("<script>") == 2
    assert all(source.startswith("'sha256-") for source in sources)


def test_a_point_has_its_times_and_the_class_of_its_counters(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    profile = counted_profile(
        make_profile,
        gemm(make_measurement, make_counters),
        (make_measurement(), []),
    )
    first, second = rows(data_of(page_of(profile))["points"])
    assert first["kernel"] == "linear"
    assert (first["warm_us"], first["cold_us"]) == (10, 12)
    assert first["cold_class"] == "compute-bound"
    assert first["cold_basis"] == "counters"
    assert second["cold_basis"] == "analytic only"
    assert second["kv_len"] is None


def test_launches_stand_under_the_kernel_of_their_point(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    profile = counted_profile(
        make_profile, point_of(make_measurement, make_counters, batch_size=4)
    )
    data = data_of(page_of(profile))
    launches = rows(data["launches"])
    assert [row["kernel"] for row in launches] == ["rmsnorm", "rmsnorm"]
    assert [row["cache"] for row in launches] == [str(Cache.WARM), str(Cache.COLD)]
    assert launches[0]["grid"] == "4 x 1 x 1"
    assert len(rows(data["counted"])) == 2


def test_a_layer_has_its_calls_in_order_with_what_is_missing(
    make_profile: Factory, make_measurement: Factory
) -> None:
    slots = tuple(
        Slot(phase=Phase.DECODE, kernel=kernel, op=op, layer=LayerKind.MOE)
        for kernel, op in (("rmsnorm", "input_layernorm"), ("gone", "experts"))
    )
    profile = make_profile(slots=slots, measurements=(make_measurement(),))
    page = page_of(profile)
    calls = rows(data_of(page)["layer"]["calls"])
    assert [row["kernel"] for row in calls] == ["rmsnorm", "gone"]
    assert calls[0]["cold_us"] == 12
    assert calls[1]["cold_us"] is None
    assert calls[1]["missing"]
    head = data_of(page)["layer"]["layers"][0]
    assert head["times"]["cold"]["moe"]["missing"] == ["gone experts"]
    assert "layer" in sections_of(page)


def test_parts_without_data_are_absent(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    failed = make_profile(measurements=(make_measurement(status=Status.FAILED),))
    assert sections_of(page_of(failed)) == ["kernels"]
    assert sections_of(page_of(make_profile(measurements=()))) == []
    assert sections_of(page_of(make_profile())) == ["roofline", "kernels"]
    program = model_profile(make_profile, make_counters)
    assert sections_of(page_of(program)) == ["roofline", "kernels", "program"]


def test_a_program_has_a_row_a_kernel_and_why_one_was_not_counted(
    make_profile: Factory, make_counters: Factory
) -> None:
    (program,) = data_of(page_of(model_profile(make_profile, make_counters)))[
        "programs"
    ]
    kernels = rows(program["kernels"])
    assert [row["kernel_name"] for row in kernels] == [one.name for one in DECODE]
    assert kernels[0]["class"] == "memory-bound"
    assert kernels[-1]["why_missing"] == "it was not captured"


def test_the_contents_name_parts_and_documents(make_profile: Factory) -> None:
    page = page_of(make_profile(), ["# Kernels\n\n## Findings\n"])
    links = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', page)
    assert ("kernels", "Kernels") in links
    assert ("kernels-2", "Kernels") in links
    assert Heading(level=2, anchor="findings", text="Findings").anchor in dict(links)


def test_names_from_data_become_no_markup(
    make_profile: Factory, make_measurement: Factory
) -> None:
    name = "</script><img src=x onerror=alert(1)>"
    page = page_of(make_profile(measurements=(make_measurement(kernel=name),)))
    assert "<img" not in page.partition("<script>")[0]
    assert rows(data_of(page)["points"])[0]["kernel"] == name
