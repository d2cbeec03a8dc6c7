"""How far a network is from a teacher: in its probabilities, and in the direction of its vectors.

Hinton et al., 2015, arXiv:1503.02531; vectors after a linear map, as in Romero et al., 2015, arXiv:1412.6550.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F


def distance(
    logits: Mapping[str, Tensor],
    vectors: Tensor,
    taught: Mapping[str, Tensor],
    shown: Tensor,
    counts: Mapping[str, float],
) -> Tensor:
    """How far a network is from its teacher on b texts, on the mean; 0, with a gradient of 0, where both are the same.

    The Kullback-Leibler divergence between the probabilities of ``logits`` and those ``taught``, [b, K] of each target
    and times its ``counts``, and 1 - the cosine between ``vectors`` and those ``shown``, [b, d].
    """
    apart = 1 - F.cosine_similarity(vectors.float(), shown.float()).mean()
    for name, count in counts.items():
        ours, theirs = (each[name].float().log_softmax(1) for each in (logits, taught))
        apart = apart + count * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return apart
