import torch

from model.serving.calibration import SEEN, Calibration, completed, seen

TEXT, BOTH, PHOTO = torch.tensor([[1, 0, 1], [1, 1, 1], [0, 1, 0]]).bool()


def test_untouched_it_is_a_softmax_and_one_column_a_sigmoid():
    calibration = Calibration({"a": 3, "b": 2})
    z = {"a": torch.randn(5, 3), "b": torch.randn(5, 1)}
    p = calibration(z, TEXT.expand(5, 3))
    assert torch.allclose(p["a"], z["a"].softmax(1))
    assert torch.allclose(p["b"][:, 1:], torch.sigmoid(z["b"]))


def test_context_goes_with_whatever_is_there():
    masks = torch.stack((TEXT, BOTH, PHOTO, torch.tensor([True, False, False]), torch.tensor([False, True, True])))
    assert [SEEN[i] for i in seen(masks)] == ["text", "both", "photo", "text", "photo"]


def test_overconfident_logits_are_cooled_and_only_where_as_much_was_seen():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4000, 3, generator=generator)
    y = torch.multinomial(z.softmax(1), 1, generator=generator).squeeze(1)
    calibration = Calibration({"a": 3})
    calibration.fit({"a": 5 * z}, {"a": y}, BOTH.expand(4000, 3))
    scale = dict(zip(SEEN, calibration.log_scale["a"].detach().exp().flatten().tolist(), strict=True))
    assert abs(scale["both"] - 0.2) < 0.03
    assert scale["text"] == scale["photo"] == 1.0


def test_rows_without_a_label_and_too_few_rows_change_nothing():
    calibration = Calibration({"a": 3})
    y = torch.tensor([0] * 40 + [-1] * 400)
    calibration.fit({"a": torch.randn(440, 3)}, {"a": y}, TEXT.expand(440, 3))
    assert all(float(p.detach().abs().sum()) == 0 for p in calibration.parameters())


def test_a_model_from_before_photos_alone_had_a_fit_answers_them_as_it_did():
    older = {"log_scale.a": torch.tensor([[0.1], [0.2]]), "bias.a": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}
    calibration = Calibration({"a": 2})
    calibration.load_state_dict(completed(older))
    z = torch.randn(3, 2)
    photo, both = (calibration({"a": z}, mask.expand(3, 3))["a"] for mask in (PHOTO, BOTH))
    assert torch.equal(photo, both)
    assert all(torch.equal(completed(calibration.state_dict())[n], t) for n, t in calibration.state_dict().items())
