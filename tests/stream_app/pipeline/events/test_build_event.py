"""An event says what was found, what was missed and whether a person should look."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.scorer import ConceptScore, PostInput
from model.serving.fixed import FixedScorer
from stream_app.pipeline.events.build import DuplicateInfo, Spent, build_event, make_event
from stream_app.pipeline.events.event import Event, event_id
from stream_app.pipeline.labelling.describe import (
    degraded_reasons,
    describe,
    is_quiet,
    review_reasons,
    unlearned_language,
)
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.post import Author, OtherPlace, Place, Post

texts = st.text(st.characters(blacklist_categories=["Cs"]))
USED = MediaOutcome("https://a/1", "used")
LATE = MediaOutcome("https://a/2", "late", reason="no answer within 2 s")
CUT = replace(USED, reason="image cut short")
SKIPPED = MediaOutcome("https://a/3", "skipped", reason="more than 4 images")
SCORER = FixedScorer()
MODEL = SCORER.info
POST = Post(
    network="bluesky",
    id="b",
    root_id="a",
    kind="repost",
    text="bridge collapsed",
    created_at=datetime(2026, 3, 1, tzinfo=UTC),
    place=Place(name="Galle", source="gazetteer"),
    author=Author(key="0123456789abcdef"),
)


def labelling(post=POST, outcomes=()):
    images = (np.zeros((4, 4, 3), np.uint8),) if outcomes else ()
    return describe(post, outcomes, SCORER.score([PostInput(post.text, images)])[0], MODEL)


def labels(informative, humanitarian, damage=(None, None)):
    given = {"informativeness": informative, "humanitarian": humanitarian, "damage": damage}
    return {concept: ConceptScore(label, probability, {}) for concept, (label, probability) in given.items()}


def test_the_text_of_a_post_of_which_all_labels_say_nothing_is_not_read():
    asked = []

    def told(post):
        asked.append(post.text)
        return post

    for text in ("Meet me at 12 Main Street", "bridge collapsed, 3 dead"):
        post = POST.model_copy(update={"text": text})
        found = describe(post, (), SCORER.score([PostInput(text)])[0], MODEL, told=told)
        assert found.quiet == (text not in asked) == (build_event(post, found).facts is None)
    assert asked == ["bridge collapsed, 3 dead"]


def test_a_post_is_quiet_only_if_no_label_says_something_and_nobody_need_look():
    said = {"informativeness": "not_informative", "humanitarian": "not_humanitarian", "request": "no_request"}
    nothing = {name: ConceptScore(label, 0.9, {}) for name, label in said.items()} | {
        "damage": ConceptScore(None, None, {})
    }
    assert is_quiet(nothing, ())
    assert not is_quiet(nothing, ("it may ask for help (0.30)",))
    for concept, label in (("request", "request"), ("damage", "mild_damage"), ("informativeness", "informative")):
        assert not is_quiet(nothing | {concept: ConceptScore(label, 0.9, {})}, ())


def test_what_the_text_counts_and_names_is_in_the_event_and_in_those_of_its_copies():
    post = POST.model_copy(update={"text": "3 trapped at 221 Galle Road, call 0771234567"})
    post = post.model_copy(update={"place": Place(name="Galle", country_code="LK", source="gazetteer")})
    found = labelling(post)
    for event in (build_event(post, found), build_event(POST, found, duplicate=DuplicateInfo(of="b", seen=1))):
        assert event.facts.model_dump(exclude_defaults=True) == {
            "trapped": 3,
            "addresses": ("221 Galle Road",),
            "phones": ("+94771234567",),
        }


def test_the_post_and_its_labels_arrive_in_the_event():
    event = build_event(POST, labelling(), spent=Spent(1, 2, 3, 6))
    assert event.id == event_id("bluesky", "b", "1")
    assert (event.post.id, event.post.root_id, event.post.kind) == ("b", "a", "repost")
    assert (event.post.place.name, event.post.author_key) == ("Galle", "0123456789abcdef")
    assert event.labels.humanitarian.label == "infrastructure_and_utility_damage"
    assert (event.labels.damage.label, event.labels.damage.reason) == (
        None,
        "no usable image: damage is judged from photos",
    )
    assert (event.timings.media_ms, event.timings.model_ms, event.timings.total_ms) == (1, 3, 6)
    assert not event.degraded


def test_what_a_place_may_mean_instead_arrives_too():
    other = OtherPlace(name="Galle", country_code="US", latitude=41.6, longitude=-87.1, confidence=0.1)
    place = Place(name="Galle", latitude=6.0, longitude=80.2, source="gazetteer", confidence=0.9, alternatives=(other,))
    made = make_event(POST.model_copy(update={"place": place}), labelling(), Spent(), DuplicateInfo())
    assert Event.model_validate_json(made.value).post.place == place


def test_an_event_survives_the_wire():
    event = build_event(POST, labelling(outcomes=[USED, LATE]), duplicate=DuplicateInfo("root", 3))
    assert Event.model_validate_json(event.model_dump_json()) == event
    assert json.loads(event.model_dump_json())["duplicate_of"] == "root"


@given(texts, st.lists(st.sampled_from([USED, LATE, SKIPPED])), st.floats(0, 1e7), st.none() | texts)
def test_what_is_written_is_what_an_event_would_write(text, outcomes, spent, of):
    post = POST.model_copy(update={"text": text, "url": of})
    made = make_event(post, labelling(post, outcomes), Spent(spent, total_ms=spent), DuplicateInfo(of))
    event = Event.model_validate_json(made.value)
    assert json.loads(made.value) == event.model_dump(mode="json")
    assert (event.post.text, event.post.place, event.duplicate_of) == (text, post.place, of)
    assert (made.id, made.key) == (event.id, event.post.root_id)


def test_a_duplicate_keeps_its_own_identity_and_shares_the_rest():
    root = POST.model_copy(update={"id": "a", "kind": "original"})
    shared = labelling(root, [LATE])
    copy = build_event(POST, shared, duplicate=DuplicateInfo(root.id, 1))
    assert (copy.id, copy.post.id) == (event_id("bluesky", "b", "1"), "b")
    assert copy.labels == build_event(root, shared).labels
    assert (copy.duplicate_of, copy.duplicates_seen, copy.degraded) == ("a", 1, True)


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ([], 0),
        ([USED], 0),
        ([LATE], 1),
        ([USED, LATE], 1),
        ([USED, SKIPPED], 0),
        ([SKIPPED], 1),
        ([LATE, LATE], 2),
        ([CUT], 1),
    ],
)
def test_degraded_when_something_the_post_has_was_not_used(outcomes, count):
    reasons = degraded_reasons(outcomes)
    assert len(reasons) == count
    assert all("https://a/" in reason and "image" in reason for reason in reasons)


def alone(**sides):
    return {side: {"humanitarian": ConceptScore(label, p, {})} for side, (label, p) in sides.items()}


SURE = labels(("informative", 0.9), ("affected_individuals", 0.9))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (
            labels(("informative", 0.9), ("affected_individuals", 0.4)),
            ("unsure of the category: affected individuals (0.40)",),
        ),
        (labels(("informative", 0.55), ("affected_individuals", 0.4)), ("no label is 0.60 likely",)),
        (
            labels(("informative", 0.9), ("not_humanitarian", 0.7), ("severe_damage", 0.8)),
            ("photo: severe damage (0.80); post: not humanitarian (0.70)",),
        ),
        (labels(("not_informative", 0.9), ("not_humanitarian", 0.9), ("severe_damage", 0.4)), ()),
        (labels(("not_informative", 0.9), ("not_humanitarian", 0.9), ("little_or_no_damage", 0.8)), ()),
        (labels(("informative", 0.9), ("infrastructure_and_utility_damage", 0.9), ("severe_damage", 0.9)), ()),
    ],
)
def test_review_where_the_photo_contradicts_or_no_label_is_sure(scores, expected):
    assert review_reasons(scores, {}, unsure_below=0.6) == expected


@pytest.mark.parametrize(
    ("category", "asks", "expected"),
    [
        ("not_humanitarian", 0.19, ()),
        ("not_humanitarian", 0.2, ("it may ask for help (0.20)",)),
        ("affected_individuals", 0.3, ("it may ask for help (0.30)",)),
        ("affected_individuals", 0.9, ()),
        ("not_humanitarian", 0.9, ("it may ask for help (0.90)",)),
    ],
)
def test_a_possible_cry_for_help_is_for_a_person_to_see(category, asks, expected):
    said = ConceptScore(
        "request" if asks > 0.5 else "no_request", max(asks, 1 - asks), {"request": asks, "no_request": 1 - asks}
    )
    scores = {**labels(("informative", 0.9), (category, 0.9)), "request": said}
    assert review_reasons(scores, {}, unsure_below=0.6) == expected


def test_being_sure_that_a_post_asks_for_nothing_makes_no_other_label_sure():
    quiet = ConceptScore("no_request", 0.99, {"request": 0.01, "no_request": 0.99})
    scores = {**labels(("informative", 0.55), ("affected_individuals", 0.4)), "request": quiet}
    assert review_reasons(scores, {}, unsure_below=0.6) == ("no label is 0.60 likely",)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        (
            alone(text=("affected_individuals", 0.8), image=("not_humanitarian", 0.6)),
            ("text alone: affected individuals (0.80); photo alone: not humanitarian (0.60)",),
        ),
        (alone(text=("affected_individuals", 0.8), image=("not_humanitarian", 0.59)), ()),
        (alone(text=("affected_individuals", 0.5), image=("not_humanitarian", 0.9)), ()),
        (alone(text=("affected_individuals", 0.8), image=("affected_individuals", 0.9)), ()),
        ({}, ()),
    ],
)
def test_review_where_text_and_photo_alone_are_sure_of_different_categories(sides, expected):
    assert review_reasons(SURE, sides, unsure_below=0.6) == expected


def test_an_event_says_why_it_wants_a_look():
    scored = SCORER.score([PostInput("bridge collapsed", (np.zeros((4, 4, 3), np.uint8),))])[0]
    sides = alone(text=("affected_individuals", 0.8), image=("not_humanitarian", 0.7))
    event = build_event(POST, describe(POST, [USED], replace(scored, alone=sides), MODEL))
    assert event.review
    assert event.review_reasons == ("text alone: affected individuals (0.80); photo alone: not humanitarian (0.70)",)
    assert not build_event(POST, describe(POST, [USED], scored, MODEL)).review


@pytest.mark.parametrize(
    ("language", "learned", "review"),
    [("fi", {"en", "si"}, True), ("si", {"en", "si"}, False), (None, {"en", "si"}, False), ("fi", set(), False)],
)
def test_a_language_the_model_did_not_learn_is_for_review_with_that_reason(language, learned, review):
    post, model = POST.model_copy(update={"language": language}), replace(MODEL, languages=frozenset(learned))
    event = build_event(post, describe(post, (), SCORER.score([PostInput(post.text)])[0], model))
    assert event.review_reasons == (("the model learned no posts in this language (fi)",) if review else ())
    assert event.review is review


def test_a_photo_without_words_is_in_no_language():
    post = POST.model_copy(update={"text": "", "language": "fi"})
    assert unlearned_language(post, replace(MODEL, languages=frozenset({"en"}))) == ()
