"""Re-fits alert thresholds to what analysts said. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.scorer import CONCEPTS, Concept
from stream_app.feedback.verdict import Verdict
from stream_app.pipeline.events.event import Event
from stream_app.settings import AlertRule, AlertSettings

MIN_JUDGED = 30
MIN_EACH = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """One verdict on one task: the probability with which the event would alert (0: never), and whether it should."""

    probability: float
    should_alert: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """How a threshold does on the judged events. ``precision`` is None where nothing would alert."""

    threshold: float
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """One task's threshold now and as proposed; ``refusal`` says why there is no proposal."""

    task: Concept
    judged: int
    current: Quality | None = None
    proposed: Quality | None = None
    refusal: str | None = None


def judgements(
    verdicts: Iterable[Verdict], events: Mapping[str, Event], alerts: AlertSettings
) -> dict[Concept, list[Judged]]:
    """Verdicts turned into what each task's rule should have done; those whose event is gone are left out.

    Where analysts differ on an event each verdict counts.
    """
    result: dict[Concept, list[Judged]] = {concept: [] for concept in CONCEPTS}
    for verdict in verdicts:
        event = events.get(verdict.event)
        if event is None:
            continue
        for concept, right in verdict.labels.items():
            rule: AlertRule = getattr(alerts, concept)
            given = getattr(event.labels, concept)
            probability = (given.probability or 0.0) if given.label in rule.labels else 0.0
            result[concept].append(Judged(probability, right in rule.labels))
    return result


def quality(judged: Sequence[Judged], threshold: float) -> Quality:
    """Precision, recall and F1 of alerting from ``threshold`` on."""
    hits = sum(each.should_alert for each in judged if each.probability >= threshold and each.probability > 0)
    alerts = sum(each.probability >= threshold and each.probability > 0 for each in judged)
    wanted = sum(each.should_alert for each in judged)
    return Quality(
        threshold,
        hits / alerts if alerts else None,
        hits / wanted if wanted else 0.0,
        2 * hits / (alerts + wanted) if alerts + wanted else 0.0,
    )


def propose(task: Concept, judged: Sequence[Judged], current: float, precision: float | None = None) -> Proposal:
    """The lowest threshold that reaches ``precision`` on the judged events, or the one of best F1 when None.

    Refused with fewer than 30 verdicts, or fewer than 5 for or against an alert: such a figure would be luck.
    """
    wanted = sum(each.should_alert for each in judged)
    if len(judged) < MIN_JUDGED or min(wanted, len(judged) - wanted) < MIN_EACH:
        return Proposal(
            task,
            len(judged),
            refusal=f"{len(judged)} verdicts, {wanted} for an alert: needs {MIN_JUDGED}, and {MIN_EACH} each way",
        )
    now = quality(judged, current)
    options = [quality(judged, each) for each in sorted({j.probability for j in judged if j.probability > 0})]
    if precision is None:
        best = max(options, key=lambda option: (option.f1, option.threshold), default=None)
        refusal = "the model never chose a label that alerts"
    else:
        best = next((option for option in options if (option.precision or 0.0) >= precision), None)
        refusal = f"no threshold reaches a precision of {precision:.2f}"
    return Proposal(task, len(judged), now, best, None if best else refusal)


def toml_fragment(proposals: Iterable[Proposal], alerts: AlertSettings) -> str:
    """The proposals as sections for ``crisis-stream.toml``, each rule's labels as they are; empty without proposals."""
    lines: list[str] = []
    for proposal in proposals:
        if proposal.proposed is not None:
            found = proposal.proposed
            labels = ", ".join(f'"{label}"' for label in sorted(getattr(alerts, proposal.task).labels))
            # Rounded down: rounded up, the post that the threshold stands on would no longer alert.
            lines += [
                f"# from {proposal.judged} verdicts: precision {found.precision or 0.0:.2f}, recall {found.recall:.2f}",
                f"[alerts.{proposal.task}]",
                f"labels = [{labels}]",
                f"min_probability = {math.floor(found.threshold * 1e6) / 1e6:.6f}",
                "",
            ]
    return "\n".join(lines)
