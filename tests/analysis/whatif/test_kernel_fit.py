from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.analysis.whatif.kernel_fit import KernelFit, fit_kernel, rated_s
from dsprof.analysis.whatif.terms import Term
from tests.analysis.whatif.sweeps_made import ROUND, gemm_works, known_fit, row_works
from tests.conftest import Factory

few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@few
@given(
    tensor=st.floats(1.1, 4.0),
    hbm=st.floats(1.05, 1.6),
    fixed_us=st.floats(1.0, 8.0),
)
def test_a_sweep_gives_back_the_efficiencies_and_the_fixed_part_that_made_it(
    make_measurement: Factory, tensor: float, hbm: float, fixed_us: float
) -> None:
    truth = known_fit(
        slowdown={**known_fit().slowdown, Term.TENSOR: tensor, Term.HBM: hbm},
        fixed_s=fixed_us * 1e-6,
    )

    fit = fit_kernel("made", gemm_works(truth, make_measurement()), ROUND)

    assert fit.slowdown[Term.TENSOR] == pytest.approx(tensor, rel=0.05)
    # Three points show HBM beside the fixed part, so that the pull moves it: by 16 % at
    # the far corner of these ranges, by less than 10 % in all but a thirtieth of them.
    assert fit.slowdown[Term.HBM] == pytest.approx(hbm, rel=0.2)
    assert fit.fixed_s == pytest.approx(fixed_us * 1e-6, rel=0.1, abs=0.5e-6)
    assert fit.not_identified == (Term.ON_CHIP,)


def test_the_fixed_part_is_counted_once_a_launch(make_measurement: Factory) -> None:
    works = gemm_works(known_fit(fixed_s=3e-6), make_measurement())
    fit = fit_kernel("made", works, ROUND)

    assert works[0].launches == 2
    assert fit.fixed_s == pytest.approx(3e-6, rel=0.1)
    assert fit.term_s(works[0], ROUND)[Term.FIXED] == pytest.approx(2 * fit.fixed_s)


def test_a_wild_point_does_not_move_the_fit(make_measurement: Factory) -> None:
    truth = known_fit(slowdown={**known_fit().slowdown, Term.TENSOR: 2.0})
    works = gemm_works(truth, make_measurement())
    works[7] = replace(works[7], time_s=20 * works[7].time_s)

    fit = fit_kernel("made", works, ROUND)

    assert fit.slowdown[Term.TENSOR] == pytest.approx(2.0, rel=0.1)


def test_what_neither_flop_nor_bytes_explain_is_time_a_row(
    make_measurement: Factory,
) -> None:
    # 10 ns a row, where its 1 KB take 1 ns of HBM.
    truth = known_fit(row_s=10e-9)
    fit = fit_kernel("made", row_works(truth, make_measurement()), ROUND)

    assert fit.row_s == pytest.approx(10e-9, rel=0.05)
    assert Term.HBM in fit.not_identified
    assert Term.VECTOR not in fit.not_identified


def test_bytes_at_the_rate_of_hbm_need_no_time_a_row(make_measurement: Factory) -> None:
    truth = known_fit(slowdown={**known_fit().slowdown, Term.HBM: 1.1})
    fit = fit_kernel("made", row_works(truth, make_measurement()), ROUND)

    assert fit.row_s == 0
    assert fit.slowdown[Term.HBM] == pytest.approx(1.1, rel=0.02)


def test_a_term_that_is_never_reached_stands_at_its_rated_value(
    make_measurement: Factory,
) -> None:
    truth = known_fit(slowdown={**known_fit().slowdown, Term.HBM: 1.2})
    works = gemm_works(truth, make_measurement())
    small = [work for work in works if work.tokens <= 2]  # 2.4 us of tensor, 4.8 of HBM
    small += [replace(small[0], row=works[2].row)]
    fit = fit_kernel("made", small, ROUND)

    assert Term.TENSOR in fit.not_identified
    assert fit.slowdown[Term.TENSOR] == 1


@pytest.mark.parametrize("counts", [1, 2])
def test_too_few_token_counts_are_not_fitted_and_say_so(
    make_measurement: Factory, counts: int
) -> None:
    works = gemm_works(known_fit(), make_measurement())[:counts]
    fit = fit_kernel("made", works, ROUND)

    assert fit.reason == f"timed at {counts} of the 3 token counts needed"
    assert set(fit.not_identified) == {Term.TENSOR, Term.HBM, Term.ON_CHIP}
    assert fit.time_s(works[0], ROUND) == pytest.approx(works[0].time_s)


def test_a_kernel_without_a_cost_is_all_fixed_part(make_measurement: Factory) -> None:
    works = [
        replace(work, tensor_flops={}, hbm_bytes=0.0, on_chip_bytes=0.0, time_s=8e-6)
        for work in gemm_works(known_fit(), make_measurement())
    ]
    fit = fit_kernel("made", works, ROUND)

    assert fit.reason == "neither FLOP nor bytes are stated"
    assert fit.not_identified == ()
    assert fit.fixed_s == pytest.approx(4e-6)  # two launches


def test_rated_seconds_are_work_over_the_rated_resource(
    make_measurement: Factory,
) -> None:
    work = gemm_works(known_fit(), make_measurement())[0]

    # 1.2 GFLOP at 1 PFLOP/s; 4.4 MB at 1 TB/s and at 4 TB/s
    assert rated_s(work, ROUND) == {
        Term.TENSOR: pytest.approx(1.2e-6),
        Term.VECTOR: 0,
        Term.HBM: pytest.approx(4.4e-6),
        Term.ON_CHIP: pytest.approx(1.1e-6),
    }


@few
@given(scale=st.floats(0.1, 10.0), term=st.sampled_from([Term.TENSOR, Term.HBM]))
def test_a_fit_reads_the_same_in_any_unit_of_time(
    make_measurement: Factory, scale: float, term: Term
) -> None:
    truth = known_fit(slowdown={**known_fit().slowdown, Term.TENSOR: 2.0})
    works = gemm_works(truth, make_measurement())
    slower = replace(
        ROUND,
        flops_per_s={path: rate / scale for path, rate in ROUND.flops_per_s.items()},
        hbm_bytes_per_s=ROUND.hbm_bytes_per_s / scale,
        on_chip_bytes_per_s=ROUND.on_chip_bytes_per_s / scale,
    )
    scaled = [replace(work, time_s=scale * work.time_s) for work in works]

    def fitted(source_works: list, source: object) -> KernelFit:  # type: ignore[type-arg]
        return fit_kernel("made", source_works, source)  # type: ignore[arg-type]

    one, other = fitted(works, ROUND), fitted(scaled, slower)
    assert other.slowdown[term] == pytest.approx(one.slowdown[term], rel=0.02)
    assert other.fixed_s == pytest.approx(scale * one.fixed_s, rel=0.05)
