from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

from dsprof.analysis.plots.labels import PointLabel, place_labels
from dsprof.analysis.plots.style import new_figure


def make_axes() -> Axes:
    axes = new_figure(5, 4).subplots()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    return axes


def label(text: str, x: float, y: float) -> PointLabel:
    return PointLabel(text=text, x=x, y=y, color="black")


def test_labels_of_crowded_points_overlap_neither_each_other_nor_a_point() -> None:
    axes = make_axes()
    points = [(2.0, 4 + 0.2 * i) for i in range(8)]
    labels = [label(f"kernel_{i}", *point) for i, point in enumerate(points)]
    assert place_labels(axes, labels, keep_clear=points) == []
    axes.figure.canvas.draw()  # an annotation has its place only once drawn
    texts = [text for text in axes.texts if isinstance(text, Annotation)]
    boxes = [Text.get_window_extent(text) for text in texts]
    assert len(boxes) == len(labels)
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second)
    for pixel in axes.transData.transform(points):
        assert not any(box.contains(*pixel) for box in boxes)


def test_a_label_keeps_off_text_that_was_there_before() -> None:
    axes = make_axes()
    before = axes.text(5.2, 5, "peak", va="center").get_window_extent()
    place_labels(axes, [label("kernel", 5, 5)], keep_clear=[(5, 5)], taken=[before])
    axes.figure.canvas.draw()
    after = Text.get_window_extent(axes.texts[-1])
    assert not after.overlaps(before)


def test_a_label_that_fits_nowhere_is_given_back_and_not_drawn() -> None:
    axes = make_axes()
    long = label("kernel" * 40, 5, 5)
    assert place_labels(axes, [long], keep_clear=[(5, 5)]) == [long]
    assert len(axes.texts) == 0


def test_no_labels_are_no_work() -> None:
    assert place_labels(make_axes(), [], keep_clear=[]) == []
