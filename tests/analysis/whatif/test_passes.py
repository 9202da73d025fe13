"""A pass at one size: what the layer and the model add up to, here and elsewhere."""

from dataclasses import replace

import pytest

from dsprof.analysis.layer import Part, layer_times
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.fit import fit_kernels
from dsprof.analysis.whatif.passes import Pass, pass_terms
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, LayerPath, Phase
from tests.analysis.whatif.recorded import B4, norms_profile
from tests.conftest import Factory


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    return norms_profile(make_profile, make_measurement, make_timing)


def taken(profile: Profile, size: ProblemSize = B4, cache: Cache = Cache.COLD) -> Pass:
    return pass_terms(
        profile,
        fit_kernels(profile, cache),
        size,
        path=LayerPath.AS_SERVED,
        kv_len=None,
    )


@pytest.mark.parametrize("cache", Cache)
def test_the_sums_are_those_of_the_layer(profile: Profile, cache: Cache) -> None:
    found = taken(profile, cache=cache)
    parts = layer_times(profile, B4, LayerPath.AS_SERVED).parts[cache]
    assert found.layer.time_s == pytest.approx(parts[Part.MOE].total_us * 1e-6)
    assert found.model is not None
    assert found.model.time_s == pytest.approx(parts[Part.MODEL].total_us * 1e-6)
    assert found.model.missing == parts[Part.MODEL].missing


def test_on_its_own_machine_a_pass_takes_what_was_measured(profile: Profile) -> None:
    found = taken(profile)
    here = found.on(found.fits.source)
    assert here.model is not None
    assert here.layer.total.time_s == pytest.approx(found.layer.time_s)
    assert here.model.speedup == pytest.approx(1.0)


def test_a_machine_with_twice_of_everything_takes_half(profile: Profile) -> None:
    found = taken(profile)
    source = found.fits.source
    twice = replace(
        source,
        flops_per_s={path: 2 * rate for path, rate in source.flops_per_s.items()},
        hbm_bytes_per_s=2 * source.hbm_bytes_per_s,
        on_chip_bytes_per_s=2 * source.on_chip_bytes_per_s,
        launch_latency_s=source.launch_latency_s / 2,
    )
    there = found.on(twice)
    assert there.layer.total.time_s == pytest.approx(found.layer.time_s / 2)


def test_without_the_number_of_layers_there_is_no_model(profile: Profile) -> None:
    found = taken(replace(profile, model=()))
    assert found.model is None
    assert found.on(found.fits.source).model is None


def test_a_size_without_a_time_has_no_call(profile: Profile) -> None:
    absent = ProblemSize(phase=Phase.DECODE, batch_size=3, seq_len=1)
    assert taken(profile, absent).layer.calls == ()


def test_a_pass_says_which_one_it_is(profile: Profile) -> None:
    assert taken(profile).title == "decode B=4, as-served, cold"
