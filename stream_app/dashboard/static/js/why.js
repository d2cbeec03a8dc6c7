// Why the model said so: how much it attended to each modality (the paper's eq. 1) and how strongly it coupled each
// pair (eq. 5). Attention is a weight of its own for each modality, not a share: the weights need not add up to 1.

import { el, svg } from "./dom.js";
import { MODALITIES } from "./words.js";

const ORDER = ["text", "image", "context"];
const CORNERS = { text: [34, 30], image: [146, 30], context: [90, 92] };

const known = (attention) => ORDER.filter((name) => attention[name] !== undefined);
const sentence = (names, weights) => names.map((name) => `${MODALITIES[name]} ${weights[name].toFixed(2)}`).join(", ");

const SPREAD = 0.05; // weights nearer to each other than this say nothing

/** Whether the weights differ enough to be worth a look. */
const differ = (weights) => Math.max(...weights) - Math.min(...weights) > SPREAD;

/** The parts of the post that the label rests on, in words. */
export function usedWords({ used }) {
  const names = used.map((name) => MODALITIES[name]?.toLowerCase() ?? name).filter((name) => name !== "context");
  return names.length > 1 ? `Judged from ${names.join(" and ")} together.` : `Judged from the ${names[0] ?? "context"} alone.`;
}

/** One thin bar split in proportion to the attention, with the weights beside it; none where the weights are alike. */
export function attentionBar({ attention }) {
  const names = known(attention);
  if (names.length < 2 || !differ(names.map((name) => attention[name]))) return null;
  const sum = names.reduce((total, name) => total + Math.max(0, attention[name]), 0) || 1;
  return el(
    "div",
    { className: "attention", title: "Attention: the weight the model gave to each part of the post. The bar shows them in proportion." },
    el(
      "span",
      { className: "bar", ariaHidden: "true" },
      ...names.map((name) => el("span", { dataset: { modality: name }, vars: { "--share": Math.max(0, attention[name]) / sum } })),
    ),
    el("span", { className: "numbers" }, "Attention: ", sentence(names, attention)),
  );
}

/** The fusion graph, where its weights differ: a disc per modality, its area the attention; a line per pair, its width the pair's weight. */
export function fusionGraph({ attention, pairs }) {
  const names = known(attention).filter((name) => CORNERS[name]);
  const weights = Object.values(pairs);
  if (names.length < 2 || !(differ(names.map((name) => attention[name])) || (weights.length > 1 && differ(weights)))) return null;
  const strongest = Math.max(...Object.values(pairs), 1e-9);
  const lines = Object.entries(pairs).flatMap(([pair, weight]) => {
    const [from, to] = pair.split("+").map((name) => CORNERS[name]);
    if (!from || !to) return [];
    const [x, y] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    return [
      svg("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: "pair", "stroke-width": 1 + 7 * (weight / strongest) }),
      svg("text", { x, y: y + 3, class: "pair-weight" }, weight.toFixed(2)),
    ];
  });
  const discs = names.flatMap((name) => {
    const [x, y] = CORNERS[name];
    return [
      svg("circle", { cx: x, cy: y, r: 8 + 16 * Math.sqrt(Math.min(1, Math.max(0, attention[name]))), class: "modality", "data-modality": name }),
      svg("text", { x, y: y + 4, class: "modality-name" }, MODALITIES[name]),
    ];
  });
  const words = Object.entries(pairs).map(([pair, weight]) => `${pair.replace("+", " with ")} ${weight.toFixed(2)}`);
  return el(
    "figure",
    { className: "graph" },
    svg(
      "svg",
      { viewBox: "0 0 180 122", role: "img", "aria-label": `Attention: ${sentence(names, attention)}. Pairs: ${words.join(", ")}.` },
      ...lines.filter((line) => line.tagName === "line"),
      ...discs,
      ...lines.filter((line) => line.tagName === "text"),
    ),
    el("figcaption", {}, "Disc: attention. Line and number: weight of the pair; pairs add up to 1."),
  );
}
