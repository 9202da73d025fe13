"""The pages about other machines, and which figures they link."""

from dsprof.analysis.plots.style import to_png
from dsprof.analysis.report.machines import FIGURES, NPU, WHATIF, machine_pages
from dsprof.analysis.whatif.fit import fit_kernels
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, LayerKind, Phase, Slot, Status
from tests.conftest import Factory


def layered(make_profile: Factory, make_measurement: Factory) -> Profile:
    """A layer of one step, timed at two batch sizes that the reports single out."""
    profile: Profile = make_profile(
        slots=(
            Slot(
                phase=Phase.DECODE,
                kernel="rmsnorm",
                op="input_layernorm",
                layer=LayerKind.MOE,
            ),
        ),
        measurements=tuple(make_measurement(batch_size=size) for size in (1, 32, 128)),
    )
    return profile


def test_a_timed_layer_has_both_pages_and_every_figure_is_linked_and_drawn(
    make_profile: Factory, make_measurement: Factory
) -> None:
    profile = layered(make_profile, make_measurement)
    pages = machine_pages(profile, fit_kernels(profile, Cache.COLD))
    documents = pages.documents()
    assert list(documents) == [WHATIF, NPU]
    assert "\n## Sensitivity" in documents[WHATIF]
    assert set(pages.draws) <= {link.path for link in FIGURES}
    text = "".join(documents.values())
    for path, draw in pages.draws.items():
        assert f"]({path})" in text
        assert to_png(draw()).startswith(b"\x89PNG")


def test_failures_alone_have_no_projection_and_no_figure(
    make_profile: Factory, make_measurement: Factory
) -> None:
    profile = make_profile(measurements=(make_measurement(status=Status.FAILED),))
    pages = machine_pages(profile, None)
    assert list(pages.documents()) == [NPU]
    assert pages.draws == {}


def test_an_empty_profile_has_neither_page(make_profile: Factory) -> None:
    assert machine_pages(make_profile(measurements=()), None).documents() == {}
