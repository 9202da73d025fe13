from dsprof.analysis.moe.levers import use_findings
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import analytic_study
from dsprof.harness.device import device_spec
from tests.analysis.moe.made import make_geometry


def levers(routing: Routing, *tokens: int, local: int = 32) -> dict[str, str]:
    geometry = make_geometry(local_experts=local)
    study = analytic_study(device_spec("b200"), geometry, routing, tokens)
    return {one.title: one.detail for one in use_findings(study)}


def test_memory_bound_tokens_have_no_use_for_more_flops() -> None:
    found = levers(Routing.FORCED_LOCAL, 1)
    # 704,643,072 / 4.5e15 = 0.157 us of 176.2.
    assert found["T = 1"] == (
        "computing takes 0.157 us of the rated roof and moving 176 us: more FLOP/s "
        "helps nothing while 0.0888 % of it is used."
    )


def test_compute_bound_tokens_have_no_use_for_more_bandwidth() -> None:
    found = levers(Routing.FORCED_LOCAL, 11948)
    assert "more bandwidth helps nothing while 31.6 %" in found["T = 11,948"]


def test_keeping_tensors_on_chip_saves_what_lies_between_the_stages() -> None:
    found = levers(Routing.FORCED_LOCAL, 1, 901)
    # 1,660,093,792 B / 8 TB/s = 207.5 us; (1,409,630,208 + 901 x 28,672 x 1) B: 179.4,
    # of which the tokens without a local expert (54.6 %) are left out: 177.7.
    detail = found["T = 901, the last that memory limits"]
    assert "1.66 GB and 208 us" in detail
    assert "1.42 GB and 178 us" in detail


def test_twice_the_gpus_halve_the_weights_that_one_token_touches() -> None:
    found = levers(Routing.EXPECTED, 1, 14107, local=256)
    detail = found["Experts on twice as many GPUs, 128 of 256 experts on each"]
    assert detail.startswith("22.0 instead of 44.1 us at T = 1 and 1,104 instead of")
    assert not any("GPUs" in title for title in levers(Routing.EXPECTED, 1, local=1))


def test_rows_an_expert_are_those_at_the_crossover() -> None:
    found = levers(Routing.FORCED_LOCAL, 1)
    assert found["To use both"].startswith("it takes 1,446 tokens, 362 rows a local")
