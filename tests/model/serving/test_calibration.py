import torch

from model.serving.calibration import Calibration


def test_untouched_it_is_a_softmax_and_one_column_a_sigmoid():
    calibration = Calibration({"a": 3, "b": 2})
    z = {"a": torch.randn(5, 3), "b": torch.randn(5, 1)}
    p = calibration(z, torch.zeros(5, dtype=torch.bool))
    assert torch.allclose(p["a"], z["a"].softmax(1))
    assert torch.allclose(p["b"][:, 1:], torch.sigmoid(z["b"]))


def test_overconfident_logits_are_cooled_and_only_on_the_side_that_was_fitted():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4000, 3, generator=generator)
    y = torch.multinomial(z.softmax(1), 1, generator=generator).squeeze(1)
    side = torch.zeros(4000, dtype=torch.bool)
    calibration = Calibration({"a": 3})
    calibration.fit({"a": 5 * z}, {"a": y}, side)
    scale = calibration.log_scale["a"].detach().exp()
    assert abs(float(scale[0]) - 0.2) < 0.03
    assert float(scale[1]) == 1.0


def test_rows_without_a_label_and_too_few_rows_change_nothing():
    calibration = Calibration({"a": 3})
    y = torch.tensor([0] * 40 + [-1] * 400)
    calibration.fit({"a": torch.randn(440, 3)}, {"a": y}, torch.zeros(440, dtype=torch.bool))
    assert all(float(p.detach().abs().sum()) == 0 for p in calibration.parameters())
