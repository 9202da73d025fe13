from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.bench import Outcome
from dsprof.harness.plain import PlainError, from_plain, to_plain
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Phase,
    Point,
)
from tests.conftest import Factory

points = st.builds(
    Point,
    kernel=st.text(),
    op=st.text(),
    phase=st.sampled_from(Phase),
    batch_size=st.integers(),
    seq_len=st.integers(),
    kv_len=st.none() | st.integers(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    size: tuple[int, float]
    note: str = "none"


@given(points)
def test_a_record_survives_the_way_through_plain_values(point: Point) -> None:
    assert from_plain(Point, to_plain(point)) == point


def test_a_whole_profile_survives(make_profile: Factory) -> None:
    profile = make_profile()
    assert from_plain(Profile, to_plain(profile)) == profile


def test_enum_keys_come_back_as_members(make_measurement: Factory) -> None:
    outcome = Outcome(measurement=make_measurement(), samples_us={Cache.WARM: (1.0,)})
    assert from_plain(Outcome, to_plain(outcome)).samples_us == {Cache.WARM: (1.0,)}


def test_a_field_with_a_default_may_be_absent() -> None:
    assert from_plain(Box, {"size": [1, 2]}) == Box(size=(1, 2.0))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": [1, "x"]}, r"size\[1\]: expected float, found 'x'"),
        ({"size": [1]}, r"size: expected 2 items"),
        ({"size": {}}, r"size: expected a list"),
        ({}, "top level: no field size"),
        ({"size": [1, 2], "colour": 3}, "unknown field colour"),
        ([], "top level: expected an object"),
        ({"size": [True, 2]}, r"size\[0\]: expected int, found True"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(value: object, message: str) -> None:
    with pytest.raises(PlainError, match=message):
        from_plain(Box, value)


def test_an_unknown_enum_value_lists_the_known_ones() -> None:
    plain = to_plain(
        Point(kernel="k", op="o", phase=Phase.DECODE, batch_size=1, seq_len=1)
    )
    with pytest.raises(PlainError, match="phase: expected one of decode, prefill"):
        from_plain(Point, plain | {"phase": "training"})
