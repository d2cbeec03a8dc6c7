// How the stream is: counters in the header; rate, labels, lag and dead letters below the map.

import { el, fill, icon, svg } from "./dom.js";
import { t } from "./i18n.js";
import { told } from "./reasons.js";
import { CONCEPTS, LABELS, ago, count, labelName, oneDecimal, percent, short } from "./words.js";

/** A line under a partition is full from this many waiting posts on: one that waits is no queue. */
const FULL_LAG = 100;

/** Posts a second over the last ten seconds. */
const rate = (perSecond) => perSecond.slice(-10).reduce((sum, n) => sum + n, 0) / Math.max(1, Math.min(10, perSecond.length));

const waiting = (lag) => lag?.partitions.reduce((sum, { lag: n }) => sum + n, 0);

/** The header's counters; `review` is how many posts the filter "For review" would show. */
export function drawCounters(node, { counts, per_second, lag }, review) {
  const behind = waiting(lag);
  const all = [
    [t("health.rate"), oneDecimal(rate(per_second))],
    [t("health.posts"), short(counts.posts ?? 0)],
    [t("health.review"), short(review)],
    [t("health.waiting"), behind === undefined ? "–" : short(behind)],
    [t("health.dead"), short(counts.dead_letters ?? 0), counts.dead_letters ? "alert" : ""],
  ];
  fill(node, ...all.map(([name, value, mood]) => el("div", { className: mood ?? "" }, el("dt", {}, name), el("dd", {}, value))));
}

/** The panel below the map. */
export function drawHealth(node, stats) {
  fill(
    node,
    ...stats.problems.map((problem) => el("p", { className: "problem" }, told(problem))),
    rateBlock(stats),
    lagBlock(stats.lag),
    ...Object.keys(CONCEPTS).map((concept) => labelBlock(concept, stats.labels[concept] ?? {})),
    deadLetterBlock(stats),
  );
}

const block = (title, note, ...children) => el("section", { className: "block" }, el("h3", {}, title, note ? el("small", {}, note) : null), ...children);

/** A table of names and numbers; the line under each is as long as its share of the largest, or of `least` if more. */
const rows = (entries, least = 1) => {
  const most = Math.max(...entries.map(([, , n]) => n), least);
  return el(
    "table",
    { className: "rows" },
    el(
      "tbody",
      {},
      ...entries.map(([label, name, n]) =>
        el(
          "tr",
          { dataset: label ? { label } : {}, vars: { "--share": n / most } },
          el("th", { scope: "row", title: name }, ...(label ? [icon(label)] : []), name),
          el("td", {}, count(n)),
        ),
      ),
    ),
  );
};

function rateBlock({ per_second, counts }) {
  const top = Math.max(...per_second, 1);
  const width = 120 / Math.max(per_second.length, 1);
  const bars = per_second.map((n, i) =>
    svg("rect", { x: i * width, y: 36 - (34 * n) / top, width: Math.max(width - 0.4, 0.4), height: (34 * n) / top }),
  );
  const chart = svg("svg", { viewBox: "0 0 120 36", preserveAspectRatio: "none", class: "spark", role: "img", "aria-label": t("health.chart", { n: top }) }, ...bars);
  const copies = counts.posts ? t("health.shares", { copies: percent((counts.duplicates ?? 0) / counts.posts), degraded: percent((counts.degraded ?? 0) / counts.posts) }) : "";
  return block(t("health.rate"), t("health.peak", { n: Math.max(...per_second, 0) }), chart, el("p", { className: "faint" }, copies));
}

function lagBlock(lag) {
  if (!lag) return block(t("health.waiting"), "", el("p", { className: "faint" }, t("health.lag.unknown")));
  if (!lag.partitions.length) return block(t("health.waiting"), "", el("p", { className: "faint" }, t("health.lag.none", { topic: lag.topic })));
  return block(t("health.waiting"), t("health.group", { group: lag.group }), rows(lag.partitions.map(({ partition, lag: n }) => [null, t("health.partition", { id: String(partition) }), n]), FULL_LAG));
}

function labelBlock(concept, counts) {
  const names = [...Object.keys(LABELS[concept]), ...Object.keys(counts).filter((name) => !(name in LABELS[concept]))];
  return block(
    CONCEPTS[concept],
    "",
    rows(names.map((name) => [name, name === "none" ? t("label.none") : labelName(concept, name), counts[name] ?? 0])),
  );
}

function deadLetterBlock({ dead_letters, counts }) {
  if (!dead_letters.length) return block(t("health.dead"), "", el("p", { className: "faint" }, t("health.none")));
  return block(
    t("health.dead"),
    t("posts", { n: counts.dead_letters }),
    el("ol", { className: "dead" }, ...dead_letters.slice(-3).reverse().map(({ at, stage, error }) => el("li", { title: error }, el("b", {}, stage), ` ${error} `, el("small", {}, ago(Date.parse(at)))))),
  );
}
