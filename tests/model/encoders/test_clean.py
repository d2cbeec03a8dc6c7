import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.encoders.clean import LONGEST, clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RT @bbc: Flood &amp; mud https://t.co/x #FloodSL", "Flood & mud Flood SL"),
        ("@a @b help pic.twitter.com/abc", "@user @user help"),
        ("https://t.co/x", ""),
        ("#Flood2017", "Flood 2017"),
    ],
)
def test_clean(text, expected):
    assert clean(text) == expected


@given(st.text(max_size=2000))
def test_any_text_is_cleaned_to_a_bounded_line(text):
    cleaned = clean(text)
    assert len(cleaned) <= LONGEST
    assert "http://" not in cleaned
    assert "\n" not in cleaned
