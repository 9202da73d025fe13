import base64
import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.report.index_embed import (
    Json,
    columns,
    json_block,
    number,
    plotly_script,
    script_hash,
    texts,
)

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_no_value_can_end_its_script_element(value: Json) -> None:
    block = json_block(value)
    assert not set("<>&\n") & set(block)
    assert json.loads(block) == value


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_block(math.nan)


@given(st.floats())
def test_a_number_keeps_its_digits_and_none_stands_for_the_rest(value: float) -> None:
    short = number(value, 7)
    if math.isfinite(value):
        assert short == pytest.approx(value, rel=1e-6, abs=0)
    else:
        assert short is None


def test_what_is_missing_stays_missing() -> None:
    assert number(None) is None
    assert json_block(number(12_345.678)) == "12346"


@given(st.lists(st.text()))
def test_a_column_of_texts_can_be_read_back(values: list[str]) -> None:
    column = texts(values)
    assert isinstance(column, dict)
    names, places = column["of"], column["at"]
    assert isinstance(names, list)
    assert isinstance(places, list)
    assert [names[place] for place in places] == values
    assert len(set(names)) == len(names)


def test_rows_become_columns_of_texts_and_of_numbers() -> None:
    made = columns([{"name": "a", "us": 1.23456789}, {"name": "", "us": None}], 3)
    assert made == {"name": {"of": ["a", ""], "at": [0, 1]}, "us": [1.23, None]}
    assert columns([]) == {}


def test_the_library_fits_between_script_tags() -> None:
    script = plotly_script()
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert "\r" not in script  # a browser would hash another text


def test_the_policy_names_a_script_by_what_it_says() -> None:
    digest = base64.b64encode(hashlib.sha256(b"let a = 1").digest()).decode()
    assert script_hash("let a = 1") == f"'sha256-{digest}'"
