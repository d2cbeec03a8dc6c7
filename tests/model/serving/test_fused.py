"""The shipped model: each post is judged by itself, by what it has, its text and its photos apart as well."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.data.sentences import load_sentences
from model.encoders.clean import clean
from model.encoders.image import ImageEncoder
from model.kernels import int8
from model.scorer import CONCEPTS, ContextFacts, ModelRefusedError, PostInput
from model.serving import fused
from model.serving.bundle import PARTS, Bundle, load_bundle
from model.serving.fused import FEWEST, KEPT_KERNELS, SHARED_BY_ALL, FusedScorer, shares

PHOTO = np.full((224, 224, 3), 90, np.uint8)
TEXT = "Two people are missing after the flood, the bridge is gone"


@pytest.fixture(scope="module")
def scorer(default_scorer):
    return default_scorer()


def test_each_side_alone_is_what_a_post_of_that_side_would_be_called(scorer):
    both, text, photo = scorer.score([PostInput(TEXT, (PHOTO,)), PostInput(TEXT), PostInput("", (PHOTO,))])
    assert set(both.alone) == {"text", "image"}
    assert both.alone["text"]["damage"].label is None
    for concept in CONCEPTS:
        said, expected = both.alone["text"][concept], text.labels[concept]
        assert said.label == expected.label
        assert said.probabilities == pytest.approx(dict(expected.probabilities), abs=1e-3)
    assert both.alone["image"]["damage"].label is not None
    assert set(both.alone["image"]["humanitarian"].probabilities) == set(both.labels["humanitarian"].probabilities)
    assert (text.alone, photo.alone) == ({}, {}), "nothing to compare"


def test_a_post_of_both_sides_is_called_the_same_among_others(scorer):
    post = PostInput(TEXT, (PHOTO,))
    among = scorer.score([PostInput("coffee"), post, PostInput("", (PHOTO,))])[1]
    for side, answers in scorer.score([post])[0].alone.items():
        for concept, said in answers.items():
            assert among.alone[side][concept].probabilities == pytest.approx(dict(said.probabilities), abs=1e-2)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), max_size=70), st.integers(1, 8))
def test_a_batch_is_dealt_out_evenly_and_whole(posts, count):
    inputs = [PostInput("x" * length, (np.zeros((1, 1, 3), np.uint8),) * photos) for photos, length in posts]
    parts = shares(inputs, count)
    assert sorted(i for part in parts for i in part) == list(range(len(posts)))
    work = len(posts) + sum(photos for photos, _ in posts)
    assert len(parts) == min(count, len(posts), -(-work // max(FEWEST, SHARED_BY_ALL // count)))
    assert all(parts)
    for size in (len, lambda part: sum(len(inputs[i].images) for i in part)):
        sizes = [size(part) for part in parts]
        assert not sizes or max(sizes) - min(sizes) <= 3


@pytest.mark.parametrize(
    ("texts", "photos", "threads", "parts"),
    [
        (16, 0, 2, 1),
        (17, 0, 2, 2),
        (8, 9, 2, 2),
        (64, 0, 1, 1),
        (8, 0, 8, 2),
        (32, 0, 8, 8),
        (64, 0, 16, 16),
        (1, 4, 2, 1),
        (0, 0, 2, 0),
    ],
)
def test_a_small_batch_is_left_to_few_threads(texts, photos, threads, parts):
    photo = np.zeros((1, 1, 3), np.uint8)
    posts = [PostInput("x", (photo,) * (photos // texts + (i < photos % texts))) for i in range(texts)]
    assert len(shares(posts, threads)) == parts


def close(one, other, tolerance=2e-2):
    for concept in CONCEPTS:
        mine, theirs = one.labels[concept], other.labels[concept]
        assert mine.probabilities == pytest.approx(dict(theirs.probabilities), abs=tolerance)
    assert one.explanation.used == other.explanation.used
    assert one.explanation.attention == pytest.approx(dict(other.explanation.attention), abs=tolerance)
    assert one.explanation.pairs == pytest.approx(dict(other.explanation.pairs), abs=tolerance)


def photos(count, seed=0):
    return tuple(np.random.default_rng(seed).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8))


POSTS = (
    PostInput(TEXT),
    PostInput(TEXT, (PHOTO,)),
    PostInput("", photos(1)),
    PostInput("", ()),
    PostInput("RT @you: https://t.co/x"),
    PostInput("a" * 3000, photos(2), ContextFacts(followers=10**9, hour=3.0)),
    PostInput("donate water and blankets now " * 5, (), ContextFacts(language="es", is_repost=True)),
)


@pytest.fixture(scope="module")
def alone(scorer):
    return [scorer.score([post])[0] for post in POSTS]


@settings(max_examples=12, deadline=None)
@given(order=st.lists(st.integers(0, len(POSTS) - 1), min_size=1, max_size=12))
def test_an_answer_does_not_depend_on_the_posts_beside_it(scorer, alone, order):
    for index, scored in zip(order, scorer.score([POSTS[i] for i in order]), strict=True):
        close(scored, alone[index])


def test_the_same_batch_twice_gives_the_same_numbers(scorer):
    assert scorer.score(POSTS) == scorer.score(POSTS)


def test_what_a_post_has_decides_what_is_used(alone):
    assert [each.explanation.used for each in alone] == [
        ("text", "context"),
        ("text", "image", "context"),
        ("image",),
        ("context",),
        ("context",) if not clean(POSTS[4].text) else ("text", "context"),
        ("text", "image", "context"),
        ("text", "context"),
    ]
    for post, scored in zip(POSTS, alone, strict=True):
        assert (scored.labels["damage"].label is None) is not bool(post.images)
        assert scored.explanation.attention.keys() == set(scored.explanation.used)
        assert sum(scored.explanation.pairs.values()) == pytest.approx(
            float(len(scored.explanation.used) > 1), abs=1e-5
        )
        for answer in scored.labels.values():
            if answer.label is not None:
                assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
                assert answer.probability == max(answer.probabilities.values())


def test_several_photos_are_their_mean_in_any_order(scorer):
    several = photos(3, seed=1)
    one = scorer.encode([PostInput("", several)])[0]["image"]
    each = scorer.encode([PostInput("", (photo,)) for photo in several])[0]["image"]
    np.testing.assert_allclose(one[0], each.mean(0), atol=2e-2)
    close(*scorer.score([PostInput("", several), PostInput("", several[::-1])]))


@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 4), (100, 224, 3), (224, 224, 1)])
def test_an_image_that_prepare_did_not_make_is_refused_by_its_shape(scorer, shape):
    with pytest.raises(ValueError, match=r"make images with prepare\(\)"):
        scorer.score([PostInput(TEXT), PostInput(TEXT, (np.zeros(shape, np.uint8),))])


def test_no_posts_are_no_answers(scorer):
    assert scorer.score([]) == []


@pytest.mark.parametrize("size", [(16, 320), (4000, 17), (224, 224)])
def test_prepare_makes_what_score_takes(scorer, size):
    image = scorer.prepare(Image.new("RGB", size, "red"))
    assert (image.shape, image.dtype) == ((224, 224, 3), np.uint8)
    assert scorer.score([PostInput("", (image,))])[0].labels["damage"].label


def test_batches_may_be_scored_side_by_side(scorer):
    two = FusedScorer.load("default", threads=2)
    posts = [PostInput(f"{TEXT} {number}") for number in range(24)]
    expected = [each.labels["humanitarian"].label for each in scorer.score(posts)]
    with ThreadPoolExecutor(4) as pool:
        for scored in pool.map(two.score, [posts] * 12):
            assert [each.labels["humanitarian"].label for each in scored] == expected


@pytest.fixture(scope="module")
def in_both_formats(default_scorer):
    """The shipped model in floats and in 8 bit, and what the first says of some of our own sentences."""
    if not int8.works():
        pytest.skip("no 8-bit products on this processor")
    exact, quick = default_scorer("float32"), default_scorer("int8")
    posts = [PostInput(each.text) for each in load_sentences() if each.split != "train"][::14]
    return exact.score(posts), quick, posts


def test_in_8_bit_labels_are_those_of_floats(in_both_formats):
    exact, quick, posts = in_both_formats
    same = [
        one.labels[concept].label == other.labels[concept].label
        for one, other in zip(exact, quick.score(posts), strict=True)
        for concept in CONCEPTS
    ]
    assert len(posts) > 50
    assert sum(same) >= 0.99 * len(same)


@pytest.mark.parametrize(("close_by", "again"), [(0.0, False), (2.0, True)])
def test_what_8_bits_leave_unsure_is_asked_again_in_floats(in_both_formats, monkeypatch, close_by, again):
    exact, quick, posts = in_both_formats
    monkeypatch.setitem(fused.CLOSE, "int8", {(True, False): close_by})
    off = max(
        abs(value - other.labels[concept].probabilities[label])
        for one, other in zip(exact, quick.score(posts), strict=True)
        for concept in CONCEPTS
        for label, value in one.labels[concept].probabilities.items()
    )
    assert (off < 1e-4) is again


@pytest.mark.parametrize(("close_by", "again"), [(0.0, False), (2.0, True)])
def test_photos_alone_that_bfloat16_leaves_unsure_are_asked_again_in_float32(
    default_scorer, monkeypatch, close_by, again
):
    exact, quick = default_scorer("float32"), default_scorer("bfloat16")
    monkeypatch.setitem(fused.CLOSE, "bfloat16", {(False, True): close_by})
    photo, both = PostInput("", (PHOTO,)), PostInput(TEXT, (PHOTO,))
    read: list[int] = []
    vectors = quick.image.vectors
    monkeypatch.setattr(
        quick.image,
        "vectors",
        lambda given, *, quick=False: read.append(0 if quick else len(given)) or vectors(given, quick=quick),
    )
    off, *_ = (
        max(
            abs(value - other.labels[concept].probabilities[label])
            for concept in CONCEPTS
            for label, value in one.labels[concept].probabilities.items()
        )
        for one, other in zip(exact.score([photo, both]), quick.score([photo, both]), strict=True)
    )
    assert sum(read) == again
    assert off < (3e-3 if again else 0.05)  # the fusion stays in bfloat16


@pytest.mark.parametrize(
    ("unsure", "texts", "seen"),
    [({"damage"}, 0, 2), ({"humanitarian"}, 2, 1), ({"damage", "request"}, 2, 2), (set(), 0, 0)],
)
def test_only_what_an_unsure_label_hangs_on_is_read_again(scorer, monkeypatch, unsure, texts, seen):
    """A text, a photo, and both."""
    if scorer.number_format != "int8":
        pytest.skip("no 8-bit products on this processor")
    monkeypatch.setattr(fused, "close", lambda *_: unsure)
    exact = {"text": 0, "image": 0}

    def counted(name, read):
        def vectors(given, *, quick=False):
            exact[name] += 0 if quick else len(given)
            return read(given, quick=quick)

        return vectors

    for name in exact:
        encoder = getattr(scorer, name)
        monkeypatch.setattr(encoder, "vectors", counted(name, encoder.vectors))
    assert len(scorer.score([PostInput(TEXT), PostInput("", (PHOTO,)), PostInput(TEXT, (PHOTO,)), PostInput("")])) == 4
    assert exact == {"text": texts, "image": seen}


def test_an_end_of_the_photo_encoders_own_is_read_by_damage_alone(scorer, packaged_end, monkeypatch):
    posts = [PostInput("", (PHOTO,)), PostInput(TEXT, (PHOTO, PHOTO // 2)), PostInput(TEXT)]
    said = []
    for bias in (0, 1):
        own = packaged_end | {"3.bias": packaged_end["3.bias"] + bias}
        monkeypatch.setattr(scorer, "image", ImageEncoder.load(own=own))
        said.append(scorer.score(posts))
    for i, (one, other) in enumerate(zip(*said, strict=True)):
        changed = {concept for concept in CONCEPTS if one.labels[concept] != other.labels[concept]}
        assert changed == ({"damage"} if posts[i].images else set())


SCORE_POSTS_OF_ALL_SIZES = """
import random, resource
from model.load import load_scorer
from model.scorer import PostInput
from stream_app.proving.bench.bare import inputs
scorer = load_scorer("default", threads=2)
posts = inputs(scorer, 300, 1 / 3)
random.seed(0)
for _ in range(190):
    batch = random.choices(posts, k=random.randint(1, 64))
    scorer.score([PostInput((post.text * 4)[: random.randint(3, 500)], post.images) for post in batch])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.long
def test_posts_of_all_sizes_do_not_fill_the_memory():
    """6,000 posts in bfloat16: 1.0 GB; 1.4 where a pass has any size, and rising where all kernels are kept, too."""
    program = [sys.executable, "-c", SCORE_POSTS_OF_ALL_SIZES]
    assert int(subprocess.run(program, capture_output=True, text=True, check=True).stdout) < 1500


def test_loading_bounds_the_kernels_that_are_kept_unless_the_user_says_and_needs_no_transformers():
    ours, theirs = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"
    environment = {key: value for key, value in os.environ.items() if key != ours} | {theirs: "77"}
    code = (
        "import os, sys; from model.load import load_scorer; load_scorer('default'); "
        f"print(os.environ['{ours}'], os.environ['{theirs}'], 'transformers' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.split() == [str(KEPT_KERNELS), "77", "False"]


def test_what_is_answered_went_through_the_calibration(scorer, monkeypatch):
    (before,) = scorer.score([PostInput(TEXT)])
    plain = scorer.calibration.scores
    flat = lambda concept, logits, which: 0 * plain(concept, logits, which)  # noqa: E731
    monkeypatch.setattr(scorer.calibration, "scores", flat)
    (after,) = scorer.score([PostInput(TEXT)])
    assert after.labels["humanitarian"].probability == pytest.approx(1 / 5)
    assert before.labels["humanitarian"].probability > 0.3


@pytest.mark.parametrize("part", PARTS)
def test_a_tensor_more_than_this_version_has_is_refused_whatever_part_it_is_of(part):
    shipped = load_bundle("default")
    newer = Bundle(shipped.manifest, {**shipped.tensors, f"{part}.more": torch.ones(3)})
    with pytest.raises(ModelRefusedError, match=r"version|another") as told:
        FusedScorer(newer, threads=1, number_format="int8")
    assert "more" not in str(told.value).split()
