"""A model that must not label is refused at the start and at a swap, in words that quote none of its files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model.load import load_scorer
from model.scorer import CONCEPTS, ConceptScore, ModelRefusedError, PostInput
from model.serving.bundle import MANIFEST, WEIGHTS
from model.serving.fixed import FixedScorer
from stream_app.pipeline.labelling.models import Models, SwapError
from stream_app.pipeline.labelling.scoring import score_each
from stream_app.settings import ModelSettings


def load(source, **placement):
    if source == "nan":
        raise ModelRefusedError("model 'nan' cannot be used: its probabilities are not finite numbers")
    return load_scorer(source, **placement)


@pytest.fixture
async def models():
    service = Models(ModelSettings(source="fixed"), load)
    await service.start()
    yield service
    await service.stop()


async def test_the_model_in_use_stays(models):
    with pytest.raises(SwapError, match="'nan' cannot be used: its probabilities are not finite"):
        await models.swap("nan")
    assert models.entry == FixedScorer.info
    _, (answer,) = await models.score([PostInput("the bridge collapsed")])
    assert answer.labels["humanitarian"].label == "infrastructure_and_utility_damage"


async def test_at_the_start_it_is_refused_as_well():
    service = Models(ModelSettings(source="nan"), load)
    with pytest.raises(SwapError, match="not finite"):
        await service.on_start()
    await service.on_stop()


@pytest.mark.parametrize("content", ['{"password": "hunter2"}', "root:hunter2:0", json.dumps({"sha256": "hunter2"})])
async def test_what_is_said_quotes_no_file(models, tmp_path, content):
    for name in (MANIFEST, WEIGHTS):
        (tmp_path / name).write_text(content)
    with pytest.raises(SwapError) as told:
        await models.swap(str(tmp_path))
    assert not [word for word in ("hunter2", "password", "root") if word in str(told.value).replace(str(tmp_path), "")]


async def test_an_error_that_is_not_ours_is_named_and_not_quoted(tmp_path):
    def fail(*_, **__):
        raise RuntimeError("Unexpected key(s) in state_dict: hunter2")

    service = Models(ModelSettings(), fail)
    with pytest.raises(SwapError, match=r"no model that this version reads \(RuntimeError\)") as told:
        await service.on_start()
    assert "hunter2" not in str(told.value)
    await service.on_stop()


def test_an_answer_that_is_no_number_costs_its_post_alone():
    class Overflows(FixedScorer):
        def score(self, posts):
            nan = ConceptScore("x", float("nan"), {"x": float("nan")})
            return [
                replace(answer, labels={**answer.labels, CONCEPTS[-1]: nan}) if post.text == "bad" else answer
                for post, answer in zip(posts, super().score(posts), strict=True)
            ]

    good, bad, other = score_each(Overflows(), [PostInput("good"), PostInput("bad"), PostInput("other")])
    assert isinstance(bad, ValueError)
    assert "not finite" in str(bad)
    assert good.labels
    assert other.labels
