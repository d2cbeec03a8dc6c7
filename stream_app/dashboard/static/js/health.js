// How the stream is: counters in the header; rate, labels, lag and dead letters below the map.

import { el, fill, icon, svg } from "./dom.js";
import { CONCEPTS, LABELS, ago, count, labelName, percent, plural, short } from "./words.js";

/** Posts a second over the last ten seconds. */
const rate = (perSecond) => perSecond.slice(-10).reduce((sum, n) => sum + n, 0) / Math.max(1, Math.min(10, perSecond.length));

const waiting = (lag) => lag?.partitions.reduce((sum, { lag: n }) => sum + n, 0);

/** The header's counters. */
export function drawCounters(node, { counts, per_second, lag }) {
  const behind = waiting(lag);
  const all = [
    ["Posts/s", rate(per_second).toFixed(1)],
    ["Posts", short(counts.posts ?? 0)],
    ["For review", short(counts.review ?? 0)],
    ["Waiting", behind === undefined ? "–" : short(behind)],
    ["Dead letters", short(counts.dead_letters ?? 0), counts.dead_letters ? "alert" : ""],
  ];
  fill(node, ...all.map(([name, value, mood]) => el("div", { className: mood ?? "" }, el("dt", {}, name), el("dd", {}, value))));
}

/** The panel below the map. */
export function drawHealth(node, stats) {
  fill(
    node,
    stats.problem ? el("p", { className: "problem", role: "alert" }, stats.problem) : null,
    rateBlock(stats),
    lagBlock(stats.lag),
    ...Object.keys(CONCEPTS).map((concept) => labelBlock(concept, stats.labels[concept] ?? {})),
    deadLetterBlock(stats),
  );
}

const block = (title, note, ...children) => el("section", { className: "block" }, el("h3", {}, title, note ? el("small", {}, note) : null), ...children);

function rateBlock({ per_second, counts }) {
  const top = Math.max(...per_second, 1);
  const width = 120 / Math.max(per_second.length, 1);
  const bars = per_second.map((n, i) =>
    svg("rect", { x: i * width, y: 36 - (34 * n) / top, width: Math.max(width - 0.4, 0.4), height: (34 * n) / top }),
  );
  const chart = svg("svg", { viewBox: "0 0 120 36", preserveAspectRatio: "none", class: "spark", role: "img", "aria-label": `Posts per second, last minute; at most ${top}` }, ...bars);
  const copies = counts.posts ? `${percent((counts.duplicates ?? 0) / counts.posts)} copies, ${percent((counts.degraded ?? 0) / counts.posts)} degraded` : "";
  return block("Posts per second", `last minute, peak ${count(Math.max(...per_second, 0))}`, chart, el("p", { className: "faint" }, copies));
}

function lagBlock(lag) {
  if (!lag) return block("Waiting for a worker", "", el("p", { className: "faint" }, "Not known: Kafka did not say."));
  if (!lag.partitions.length) return block("Waiting for a worker", "", el("p", { className: "faint" }, `No topic ${lag.topic} yet.`));
  const most = Math.max(...lag.partitions.map((p) => p.lag), 1);
  return block(
    "Waiting for a worker",
    `group ${lag.group}`,
    el(
      "table",
      { className: "rows lag" },
      el(
        "tbody",
        {},
        ...lag.partitions.map(({ partition, lag: n }) =>
          el("tr", {}, el("th", { scope: "row" }, `Partition ${partition}`), el("td", {}, el("span", { className: "bar", vars: { "--share": n / most } }), count(n))),
        ),
      ),
    ),
  );
}

function labelBlock(concept, counts) {
  const names = [...Object.keys(LABELS[concept]), ...Object.keys(counts).filter((name) => !(name in LABELS[concept]))];
  const most = Math.max(...Object.values(counts), 1);
  return block(
    CONCEPTS[concept],
    "",
    el(
      "table",
      { className: "rows" },
      el(
        "tbody",
        {},
        ...names.map((name) =>
          el(
            "tr",
            { dataset: { label: name } },
            el("th", { scope: "row" }, icon(name), name === "none" ? "Not judged" : labelName(concept, name)),
            el("td", {}, el("span", { className: "bar", vars: { "--share": (counts[name] ?? 0) / most } }), count(counts[name] ?? 0)),
          ),
        ),
      ),
    ),
  );
}

function deadLetterBlock({ dead_letters, counts }) {
  if (!dead_letters.length) return block("Dead letters", "", el("p", { className: "faint" }, "None: every post was labelled."));
  return block(
    "Dead letters",
    plural(counts.dead_letters, "post", "posts"),
    el("ol", { className: "dead" }, ...dead_letters.slice(-5).reverse().map(({ at, stage, error }) => el("li", {}, el("b", {}, stage), ` ${error} `, el("small", {}, ago(Date.parse(at)))))),
  );
}
