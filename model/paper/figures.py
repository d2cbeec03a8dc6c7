"""The paper's own figures, and the shape of ours."""

from __future__ import annotations

from collections.abc import Mapping

from model.training.bootstrap import Array

PAPER: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "informativeness": {
        "Concat + Equal": (0.633, 0.227, 0.597),
        "Tensor + Equal": (0.784, 0.151, 0.738),
        "Graph + Equal": (0.823, 0.114, 0.772),
        "ImprovedGraph + Equal": (0.849, 0.107, 0.794),
        "Concat + MultiObjective": (0.675, 0.202, 0.648),
        "Concat + TaskInteraction": (0.683, 0.214, 0.635),
        "Concat + Dynamic": (0.746, 0.164, 0.719),
        "ImprovedGraph + Dynamic": (0.872, 0.041, 0.835),
    },
    "humanitarian": {
        "Concat + Equal": (0.537, 0.293, 0.506),
        "Tensor + Equal": (0.691, 0.207, 0.659),
        "Graph + Equal": (0.687, 0.209, 0.652),
        "ImprovedGraph + Equal": (0.722, 0.181, 0.695),
        "Concat + MultiObjective": (0.613, 0.246, 0.581),
        "Concat + TaskInteraction": (0.624, 0.237, 0.598),
        "Concat + Dynamic": (0.696, 0.194, 0.670),
        "ImprovedGraph + Dynamic": (0.772, 0.153, 0.759),
    },
    "damage": {
        "Concat + Equal": (0.644, 0.229, 0.607),
        "Tensor + Equal": (0.791, 0.148, 0.745),
        "Graph + Equal": (0.829, 0.117, 0.793),
        "ImprovedGraph + Equal": (0.862, 0.080, 0.839),
        "Concat + MultiObjective": (0.693, 0.181, 0.664),
        "Concat + TaskInteraction": (0.688, 0.186, 0.650),
        "Concat + Dynamic": (0.756, 0.149, 0.715),
        "ImprovedGraph + Dynamic": (0.923, 0.029, 0.897),
    },
}
"""F1, Hamming loss, MAP as printed in the paper's tables 1-3."""

Scores = dict[str, dict[str, dict[str, Array]]]
"""concept -> method -> figure -> [1 + resamples], means over seeds."""
