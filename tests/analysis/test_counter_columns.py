from dsprof.analysis.counter_columns import CLASS_MEANS, HISTOGRAMS, TENSOR
from dsprof.analysis.merged_frame import COLUMNS
from dsprof.harness.counters import counter_metrics

SHOWN = [*(one for group in HISTOGRAMS for one in group.counters), *CLASS_MEANS, TENSOR]


def test_every_shown_counter_is_a_column_and_a_field() -> None:
    assert {one.column for one in SHOWN} <= set(COLUMNS)
    assert {one.field for one in SHOWN} <= set(counter_metrics())


def test_the_histograms_are_the_thirteen_and_each_percentage_says_of_what() -> None:
    counters = [one for group in HISTOGRAMS for one in group.counters]
    assert len({one.column for one in counters}) == len(counters) == 13
    for one in counters:
        is_percent = one.column.endswith("_pct")
        assert one.unit.startswith("% of ") is is_percent
