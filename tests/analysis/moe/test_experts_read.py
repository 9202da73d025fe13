from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.moe.experts_read import experts_with_rows, has_whole_steps_alone
from dsprof.harness.profile import Profile
from dsprof.harness.records import Measurement, Phase, Point, Status
from tests.analysis.moe.made import DEEPSEEK, EXPERT_BYTES


def whole(tokens: int, experts: int) -> Measurement:
    """A whole pipeline's row: weights, a BF16 row and FP32 logits a token."""
    return Measurement(
        point=Point(
            kernel="our_moe",
            op="routed experts",
            phase=Phase.DECODE,
            batch_size=tokens,
            seq_len=1,
        ),
        status=Status.OK,
        bytes_read=experts * EXPERT_BYTES + (14_336 + 1024) * tokens,
    )


def test_what_a_row_states_is_taken_as_it_is() -> None:
    row = replace(whole(1, 8), distinct_experts=5)
    assert experts_with_rows([whole(1, 8), row], DEEPSEEK) == 5


@given(st.integers(1, 1000), st.integers(1, 256))
def test_bytes_of_up_to_a_thousand_tokens_tell_the_experts(
    tokens: int, experts: int
) -> None:
    assert experts_with_rows([whole(tokens, experts)], DEEPSEEK) == experts


def test_whole_steps_alone_are_told_from_a_layers_calls(
    with_pipelines: Profile,
) -> None:
    assert not has_whole_steps_alone(with_pipelines)
    assert not has_whole_steps_alone(replace(with_pipelines, measurements=()))
    alone = replace(with_pipelines, measurements=(whole(1, 8), whole(7, 49)))
    assert has_whole_steps_alone(alone)


def test_rows_that_read_no_weights_tell_nothing() -> None:
    row = whole(1, 8)
    gate = replace(row, point=replace(row.point, op="topk"))
    assert experts_with_rows([gate], DEEPSEEK) is None
    assert experts_with_rows([], DEEPSEEK) is None
