// Why the model said so: the parts of the post that the labels rest on, and, asked for, what moved each: the server asks
// the model again without each part in turn. Only what moved a label is shown.

import { el, fill } from "./dom.js";
import { known, t } from "./i18n.js";
import { labelName, percent, points } from "./words.js";

/** The parts of the post that the label rests on, in words. */
export function usedWords({ used }) {
  const names = used.filter((name) => name === "text" || name === "image").map((name) => t(`used.${name}`));
  return names.length > 1 ? t("used.two", { one: names[0], other: names[1] }) : t("used.one", { one: names[0] ?? t("used.context") });
}

/** A button that asks, and the answer in its place. `veiled`: the post's photos are not to be shown. */
export function whyBlock(card, veiled) {
  const node = el("div", { className: "reasons-asked", role: "group", ariaLabel: t("why.ask"), ariaLive: "polite" });
  const ask = async () => {
    fill(node, el("p", { className: "faint" }, t("why.asking")));
    const answer = await send(card.id);
    if (answer.problem) fill(node, el("p", { className: "note" }, t(known(`why.problem.${answer.problem}`) ? `why.problem.${answer.problem}` : "why.problem.failed")), button());
    else fill(node, ...Object.entries(answer).map(([concept, found]) => moved(card, concept, found, veiled())).filter(Boolean));
  };
  const button = () => el("button", { type: "button", className: "ask", onclick: ask }, t("why.ask"));
  fill(node, button());
  return node;
}

async function send(card) {
  try {
    const answer = await fetch("/why", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ card }) });
    return await answer.json();
  } catch {
    return { problem: "failed" };
  }
}

const part = ({ part: name, photo }) => (name === "photo" ? t("why.photo", { n: photo + 1 }) : t(`modality.${name}`));

function moved(card, concept, { label, share, without, pair, words, region }, veiled) {
  if (label === "no_request") return null;
  const before = card.event.labels[concept]?.probabilities?.[label];
  const rows = without.map((each) => row(t("why.without", { part: part(each) }), each.share, each.share - share));
  if (pair) rows.push(row(t("why.pair", { one: t(`modality.${pair.one}`), other: t(`modality.${pair.other}`) }), null, pair.change));
  return el(
    "section",
    { className: "moved", dataset: { label } },
    el("h3", {}, t("why.title", { label: labelName(concept, label), share: percent(share) })),
    rows.length ? el("table", { className: "distribution" }, el("tbody", {}, ...rows)) : words.length || region ? null : el("p", { className: "faint" }, t("why.nothing")),
    words.length ? el("p", {}, t("why.words"), " ", ...words.map(([start, end, change]) => el("span", { className: "carried" }, el("mark", { dir: "auto" }, slice(card.event.post.text, start, end)), ` ${points(change)} `))) : rows.length ? el("p", { className: "faint" }, t("why.no_word")) : null,
    region ? framed(card, region, veiled) : null,
    before !== undefined && Math.abs(before - share) > 0.02 ? el("p", { className: "faint" }, t("why.differs", { share: percent(share), before: percent(before) })) : null,
  );
}

const row = (name, share, change) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, share === null ? "" : percent(share)), el("td", {}, points(change)));

/** A piece of a text whose places the server counts in code points. */
const slice = (text, start, end) => [...text].slice(start, end).join("");

/** The photo with the region that carried the label in a frame. */
function framed(card, { box: [left, top, right, bottom], change }, veiled) {
  const index = card.event.media.findIndex(({ status }) => status === "used");
  const caption = `${t("why.region", { n: index + 1 })} ${points(change)}`;
  if (veiled) return el("p", {}, caption);
  const share = (x) => `${100 * x}%`;
  return el(
    "figure",
    { className: "framed" },
    el("div", {}, el("img", { src: `/photos/${card.id}/${index}`, alt: "" }), el("span", { vars: { "--top": share(top), "--right": share(1 - right), "--bottom": share(1 - bottom), "--left": share(left) } })),
    el("figcaption", {}, caption),
  );
}
