"""Our histogram says what prometheus_client's own says."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Theirs

from stream_app.worker.histogram import Histogram

BOUNDS = (0.001, 0.5, 1, 10)
batches = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.lists(st.sampled_from([*BOUNDS, 0.0]) | st.floats(0, 100)))
)


@given(batches)
def test_many_at_once_are_counted_as_one_by_one(seen):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    many = Histogram("seconds", "Time.", "stage", BOUNDS, ours)
    one = Theirs("seconds", "Time.", ["stage"], buckets=BOUNDS, registry=theirs)
    for label, values in seen:
        many.observe(label, values)
        for value in values:
            one.labels(label).observe(value)
    counts = {
        (s.name, *s.labels.items()): s.value for f in theirs.collect() for s in f.samples if "created" not in s.name
    }
    found = {(s.name, *s.labels.items()): s.value for f in ours.collect() for s in f.samples}
    found = {key: value for key, value in found.items() if key in counts or value}
    assert found.keys() == counts.keys()
    assert all(abs(found[key] - value) < 1e-6 * (1 + value) for key, value in counts.items())
    generate_latest(ours)
