import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness import launches_csv
from dsprof.harness.errors import ProfileError
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.records import Cache

# Without lone surrogates, which no UTF-8 file can hold.
words = st.text(st.characters(codec="utf-8")).map(lambda text: " ".join(text.split()))
times = st.floats(allow_nan=False, allow_infinity=False)
spans = st.builds(
    LaunchSpan,
    label=words,
    cache=st.sampled_from(Cache),
    index=st.integers(0),
    function_name=words,
    start_us=times,
    time_us=times,
    calls=st.integers(1),
)


@given(st.lists(spans))
def test_launches_survive_the_way_through_a_file(written: list[LaunchSpan]) -> None:
    text = launches_csv.header() + "".join(map(launches_csv.to_line, written))
    assert text.count("\n") == len(written) + 1
    assert launches_csv.parse(text, "launches.csv") == written


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"launches\.csv, line 1: its columns are not label, cache"),
        ("label,cache\n", r"line 1: its columns"),
        (launches_csv.header() + "a,hot,0,f,0.0,1.0,5\n", "line 2: 'hot'"),
        (launches_csv.header() + "a,cold,0,f,0.0,1.0\n", "line 2: zip"),
        (launches_csv.header() + "a,cold,0,f,0.0,soon,5\n", "line 2: could not"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        launches_csv.parse(text, "launches.csv")
