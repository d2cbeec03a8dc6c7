"""Our own sentences are what they say, and the shipped model finds the cries for help among those it never saw."""

from collections import Counter

import pytest

from model.data.sentences import NEVER_LEARNED, load_sentences
from model.scorer import LABELS, PostInput

SENTENCES = list(load_sentences())


def test_each_says_one_thing_of_itself():
    assert len(SENTENCES) > 13000
    assert len({each.language for each in SENTENCES}) == 87
    for each in SENTENCES:
        assert each.kind in ("plea", "offer", "report", "warning", "ordinary", "post"), each
        assert each.informativeness in LABELS["informativeness"], each
        if each.kind == "post":
            assert each.humanitarian in (None, *LABELS["humanitarian"]), each
        else:
            assert each.humanitarian in LABELS["humanitarian"], each
            assert (each.informativeness == "not_informative") == (each.humanitarian == "not_humanitarian"), each
            assert each.request == (each.kind == "plea"), each


def test_no_sentence_is_on_two_sides():
    sides = Counter((each.text.casefold(), each.split == "train") for each in SENTENCES)
    texts = Counter(text for text, _ in sides)
    assert not [text for text, count in texts.items() if count > 1]
    assert not {each.language for each in SENTENCES if each.split == "train"} & NEVER_LEARNED


@pytest.fixture(scope="module")
def answers(default_scorer):
    """The default model's labels of all sentences it did not learn from, and of each eighth invented post."""
    unseen = [each for each in SENTENCES if each.split != "train" and each.kind != "post"]
    unseen += [each for each in SENTENCES if each.split != "train" and each.kind == "post"][::8]
    scorer = default_scorer()
    scored = []
    for start in range(0, len(unseen), 64):
        scored += scorer.score([PostInput(each.text) for each in unseen[start : start + 64]])
    return [(each, one.labels) for each, one in zip(unseen, scored, strict=True)]


def test_cries_for_help_are_found_in_every_language(answers):
    """The worst error this product can make is to miss one. Floors below what was measured, see the model card."""
    pleas = [(each, labels) for each, labels in answers if each.kind == "plea"]
    found = [labels["request"].label == "request" for _, labels in pleas]
    missed = [each.text for each, labels in pleas if labels["humanitarian"].label == "not_humanitarian"]
    assert sum(found) / len(found) >= 0.94
    assert len(missed) / len(pleas) <= 0.01, missed
    unlearned = [labels["request"].label == "request" for each, labels in pleas if each.language in NEVER_LEARNED]
    assert sum(unlearned) / len(unlearned) >= 0.96


def test_words_of_disaster_alone_are_no_cry_for_help(answers):
    ordinary = [labels["request"].label == "request" for each, labels in answers if each.kind == "ordinary"]
    assert sum(ordinary) / len(ordinary) <= 0.02


def test_an_offer_of_help_is_seldom_a_cry_for_it(answers):
    """In a plea's own words: room for 53 beds, we have boats. Of those of dev .298, of the 65 known to 0.10.0 .185."""
    offers = [labels["request"].label == "request" for each, labels in answers if each.kind == "offer"]
    assert len(offers) >= 110
    assert sum(offers) / len(offers) <= 0.24


def test_news_of_a_disaster_is_told_from_talk_about_it(answers):
    """Of invented posts nobody learned from: .934 by the text heads of dev (0.9.0, which had learned none: .865)."""
    posts = [(each, labels) for each, labels in answers if each.kind == "post"]
    right = [labels["informativeness"].label == each.informativeness for each, labels in posts]
    assert len(posts) > 90
    assert sum(right) / len(right) >= 0.88
