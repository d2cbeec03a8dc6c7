"""The report of the paper's experiment: figures beside the paper's, a plot, sentences where the order differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.paper.figures import PAPER, Scores
from model.training.bootstrap import Array, differs, interval

FIGURES = ("f1", "hl", "map")
CLAIMS = (
    ("Tensor + Equal", "Concat + Equal"),
    ("Graph + Equal", "Tensor + Equal"),
    ("ImprovedGraph + Equal", "Graph + Equal"),
    ("Concat + MultiObjective", "Concat + Equal"),
    ("Concat + TaskInteraction", "Concat + Equal"),
    ("Concat + Dynamic", "Concat + MultiObjective"),
    ("Concat + Dynamic", "Concat + TaskInteraction"),
    ("ImprovedGraph + Dynamic", "ImprovedGraph + Equal"),
    ("ImprovedGraph + Dynamic", "Concat + Dynamic"),
)
"""Neighbours in the paper's argument; which of the two is better in the paper is read from its figures."""


def write_report(out: Path, found: Scores, about: Mapping[str, Any]) -> None:
    """Write ``results.json``, ``report.md`` and ``report.png`` into ``out``."""
    results = {"about": about, "figures": plain(found), "order": order(found)}
    (out / "results.json").write_text(json.dumps(results, indent=1))
    (out / "report.md").write_text(markdown(found, about))
    plot(out / "report.png", found)


def plain(found: Scores) -> dict[str, Any]:
    """Each figure as its value and 95 % interval."""
    return {
        concept: {
            method: {name: {"value": float(v[0]), "interval": interval(v)} for name, v in figures.items()}
            for method, figures in methods.items()
        }
        for concept, methods in found.items()
    }


def order(found: Scores) -> list[dict[str, Any]]:
    """For each of the paper's claims on F1, what we found: ``agrees``, ``differs`` or ``undecided``, with the gap."""
    verdicts = []
    for concept, methods in found.items():
        for pair in CLAIMS:
            if not all(name in methods for name in pair):
                continue
            better, worse = sorted(pair, key=lambda name: -PAPER[concept][name][0])
            gap, low, high = differs(methods[better], methods[worse], "f1")
            verdict = "agrees" if low > 0 else "differs" if high < 0 else "undecided"
            paper = PAPER[concept][better][0] - PAPER[concept][worse][0]
            verdicts.append(
                {
                    "concept": concept,
                    "better": better,
                    "worse": worse,
                    "paper": round(paper, 3),
                    "gap": gap,
                    "interval": (low, high),
                    "verdict": verdict,
                }
            )
    return verdicts


def sentence(claim: Mapping[str, Any]) -> str:
    """One claim and its verdict in words."""
    low, high = claim["interval"]
    measured = f"here {claim['gap']:+.3f} [{low:+.3f}, {high:+.3f}]"
    ending = {
        "agrees": "the same order.",
        "differs": "**the order is the other way round**.",
        "undecided": "no difference that these test posts could show.",
    }[claim["verdict"]]
    return (
        f"{claim['concept']}: the paper has {claim['better']} above {claim['worse']} by {claim['paper']:.3f} F1; "
        f"{measured}: {ending}"
    )


def markdown(found: Scores, about: Mapping[str, Any]) -> str:
    """The whole report."""
    parts = [f"# The paper's tables, measured\n\n{protocol_text(about)}"]
    parts += [f"## {concept}\n\n{table(concept, methods)}" for concept, methods in found.items()]
    claims = order(found)
    count = {v: sum(c["verdict"] == v for c in claims) for v in ("agrees", "differs", "undecided")}
    head = (
        f"Of the {len(claims)} orders the paper's argument rests on, {count['agrees']} come out the same here, "
        f"{count['differs']} the other way round, and {count['undecided']} differ by less than their interval."
    )
    claims.sort(key=lambda c: ("differs", "undecided", "agrees").index(c["verdict"]))
    lines = [f"- {sentence(c)}" for c in claims]
    parts.append("## Where the order of methods differs\n\n" + head + "\n\n" + "\n".join(lines))
    parts.append("## What the similarity S (equation 4) spans\n\n" + spread_table(about["similarity"]))
    parts.append("## Cost\n\n" + cost_table(about["cells"]))
    return "\n\n".join(parts) + "\n"


def protocol_text(about: Mapping[str, Any]) -> str:
    """What was done, with which posts, and what the reader must not conclude."""
    rows, photos, p = about["rows"], about["photos"], about["protocol"]
    labelled = "; ".join(
        f"{concept} {n['train']:,}/{n['dev']:,}/{n['test']:,}" for concept, n in about["labelled"].items()
    )
    total, seen = sum(rows.values()), sum(photos.values())
    posts = (
        f"CrisisMMD v2.0, posts on whose label the judges of text and photo agree, the `{about['split']}` grouped "
        f"split: {rows['train']:,} / {rows['dev']:,} / {rows['test']:,} posts (labelled: {labelled}). "
        f"**Only {seen:,} of these {total:,} posts have their photo here ({photos['test']} in the test part): for the "
        "rest the image modality is absent, and every method works from text and context.** The damage label is "
        "CrisisMMD's own, a question about the photo, asked mostly of posts without one."
    )
    read, align = about["extractors"], "raw" if p["norm"] == "none" else "LayerNorm"
    training = (
        f"Every method has the same frozen features ({read['text']} for text, {read['image']} for photos, facts as "
        "context; the paper has ELMo and InceptionV3, whose weights cannot be shipped: `--elmo` and `--inception` take "
        f"them), the same alignment ({p['align']}, D = {p['width']}, {align}; tensor fusion keeps {p['projection']} "
        f"entries a modality), {p['granularity']} tasks, trunk ({p['trunk']}) and training: Adam {p['rate']}, clip "
        f"{p['clip']}, batch {p['batch']}, modality dropout {p['modality_dropout']}, W of equation 11 at the "
        f"{p['at']}, at most {p['epochs']} epochs, early stop on the unweighted validation loss with patience "
        f"{p['patience']}, best weights restored; {about['seeds']} seeds. The product differs: D = 512 with "
        "LayerNorm, attention as shares, both orders of a pair, W at the trunk, rate 0.0003, batch 256. "
        "TaskInteraction is MTI-Net adapted from images to "
        "vectors."
    )
    reading = (
        "A post gets its likeliest class; F1 is macro over classes unless said otherwise; HL counts wrong labels over "
        "n x K (informativeness is one binary label); MAP is over labels, from scores. Figures are means over seeds; "
        "brackets are 95 % intervals from resampling seeds and groups of near-duplicate posts. `majority class` and "
        "`event only` look at no post: the second answers the commonest class of the post's event."
    )
    return f"{posts}\n\n{training}\n\n{reading}"


def table(concept: str, methods: Mapping[str, Mapping[str, Array]]) -> str:
    """One concept's table in Markdown."""
    head = "| method | F1 | paper | HL | paper | MAP | paper | F1 micro | F1 weighted |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    for name, figures in methods.items():
        paper = PAPER[concept].get(name)
        cells = [name]
        for i, figure in enumerate(FIGURES):
            low, high = interval(figures[figure])
            cells += [f"{figures[figure][0]:.3f} [{low:.3f}, {high:.3f}]", f"{paper[i]:.3f}" if paper else "-"]
        cells += [f"{figures[figure][0]:.3f}" for figure in ("f1_micro", "f1_weighted")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread_table(spreads: Mapping[str, Mapping[str, float]]) -> str:
    """S over the pairs present in the test posts."""
    lines = ["| vectors | mean | std | 5 % | 95 % |", "|---|---|---|---|---|"]
    lines += [f"| {name} | " + " | ".join(f"{v:.4f}" for v in s.values()) + " |" for name, s in spreads.items()]
    return "\n".join(lines)


def cost_table(cells: Mapping[str, list[Mapping[str, float]]]) -> str:
    """Epochs and seconds of training a seed, as they were on this machine under its load."""
    lines = ["| method | best epoch | epochs | seconds a seed |", "|---|---|---|---|"]
    for name, runs in cells.items():
        means = [sum(run[key] for run in runs) / len(runs) for key in ("best_epoch", "epochs", "seconds")]
        lines.append(f"| {name} | {means[0]:.1f} | {means[1]:.1f} | {means[2]:.0f} |")
    return "\n".join(lines)


def plot(path: Path, found: Scores) -> None:
    """F1 of every method with its interval, the paper's beside it, a panel a concept."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(13, 4.2), sharey=True, layout="constrained")
    for axis, (concept, methods) in zip(axes, found.items(), strict=True):
        for y, (name, figures) in enumerate(methods.items()):
            low, high = interval(figures["f1"])
            axis.plot([low, high], [y, y], color="tab:blue", linewidth=2)
            axis.plot(figures["f1"][0], y, "o", color="tab:blue", label="measured, 95 % interval" if y == 0 else None)
            if name in PAPER[concept]:
                label = "as the paper prints" if y == 0 else None
                axis.plot(PAPER[concept][name][0], y, "D", color="tab:orange", markerfacecolor="none", label=label)
        axis.set(title=concept, xlabel="F1 (macro)", xlim=(0, 1))
        axis.set_yticks(range(len(methods)), list(methods))
        axis.grid(axis="x", alpha=0.3)
    axes[0].invert_yaxis()
    axes[-1].legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
