import math
from collections.abc import Callable

import pytest

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.observations import (
    accounts_findings,
    crossover_words,
    minimum_time_findings,
    regime_least_findings,
    token_list,
)
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study, analytic_study
from dsprof.harness.device import device_spec
from dsprof.harness.records import Bound
from tests.analysis.moe.made import make_geometry

Make = Callable[..., Study]


def of_32(routing: Routing, *tokens: int, gpu: str = "b200") -> Study:
    geometry = make_geometry(local_experts=32)
    return analytic_study(device_spec(gpu), geometry, routing, tokens)


def by_title(found: list[Finding]) -> dict[str, str]:
    return {one.title: one.detail for one in found}


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([], "no T"),
        ([1000], "T = 1,000"),
        ([1, 7], "T = 1 and 7"),
        ([1, 7, 80], "T = 1 to 80 (3)"),
    ],
)
def test_tokens_are_listed_shortly(tokens: list[int], words: str) -> None:
    assert token_list(tokens) == words


def test_a_crossover_is_a_number_only_where_it_is_one() -> None:
    assert crossover_words(1446.2) == "T ~ 1,446 tokens"
    assert crossover_words(1) == "from T = 1 on, compute limits"
    assert crossover_words(math.inf) == "never: memory limits at every T"


def test_forced_local_is_nearly_constant_as_long_as_weights_are_all_there_is() -> None:
    found = by_title(minimum_time_findings(of_32(Routing.FORCED_LOCAL, 1, 80, 901)))
    # 179.0 over 176.2 us; 207.5 is 18 % more.
    assert found["Nearly constant"] == (
        "T = 1 and 80 take 176 us and at most 1.56 % more."
    )
    assert "Experts touched" not in found


def test_expected_routing_says_how_many_experts_it_touches() -> None:
    found = by_title(minimum_time_findings(of_32(Routing.EXPECTED, 7, 901)))
    # 32 (1 - (31/32)^7) = 6.38; ln(0.01) / ln(31/32) = 145.05.
    assert found["Experts touched"] == (
        "T = 7 is expected to touch 6.38 of 32 local experts; from T = 146 on, "
        "99 % of them."
    )
    assert "Nearly constant" not in found


def test_a_gpu_without_fp4_is_said_to_lack_it() -> None:
    found = {
        gpu: by_title(minimum_time_findings(of_32(Routing.EXPECTED, 1, gpu=gpu)))
        for gpu in ("b200", "h200-sxm")
    }
    assert "no tensor rate" not in found["b200"]["Narrower weights"]
    assert "no tensor rate" in found["h200-sxm"]["Narrower weights"]


def test_a_regime_without_an_asked_t_has_no_line() -> None:
    study = of_32(Routing.FORCED_LOCAL, 1, 901)
    assert regime_least_findings(study, Bound.COMPUTE) == []
    (memory,) = regime_least_findings(study, Bound.MEMORY)
    assert "T = 1 and 901: 176 to 208 us" in memory.detail
    # 277,984 x 901 of 1,660,093,792 bytes.
    assert "activations are 15.1 % of the bytes at T = 901" in memory.detail


def test_a_compute_bound_line_says_what_a_token_takes() -> None:
    (found,) = regime_least_findings(of_32(Routing.FORCED_LOCAL, 11948), Bound.COMPUTE)
    # 704,643,072 FLOP / 4.5 PFLOP/s = 156.6 ns; 4.731 GB / 8 TB/s = 591.4 us.
    assert found.detail == (
        "T = 11,948: 1,871 us, 157 ns a token; memory is idle 68.4 % of it at "
        "T = 11,948."
    )


def test_the_accounts_differ_by_rows_and_by_weights() -> None:
    found = by_title(accounts_findings(of_32(Routing.EXPECTED, 1, 901)))
    assert "32/256 = 0.125 are local" in found["Rows"]
    assert "makes 8 and 704.6 MFLOP. 45.4 % of the tokens" in found["Rows"]
    assert "5.51 us at least; with all of them, 176 us" in found["Weights"]
