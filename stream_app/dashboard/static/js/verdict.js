// An analyst's verdict on a post's labels: all correct, or which label it should have been, with a note and a name.

import { el, icon } from "./dom.js";
import { t } from "./i18n.js";
import { CONCEPTS, LABELS, labelName, listed } from "./words.js";

const NAME = "analyst"; // remembered in this browser

/** The buttons under an opened post; `send(card, verdict)` gets the right label of each task that was judged. */
export function verdictForm(card, send) {
  const { labels } = card.event;
  const judged = Object.keys(CONCEPTS).filter((concept) => labels[concept]?.label);
  const choices = judged.map((concept) => choice(concept, labels[concept].label));
  const note = el("input", { maxLength: 500, autocomplete: "off" });
  const name = el("input", { maxLength: 80, autocomplete: "nickname", className: "analyst", placeholder: t("verdict.name.how"), ariaLabel: t("verdict.name"), value: remembered() });
  name.addEventListener("change", () => remember(name.value.trim()));
  const give = (right) =>
    send(card, { labels: Object.fromEntries(right), analyst: name.value.trim() || null, note: note.value.trim() || null });
  const wrong = el(
    "form",
    {
      className: "wrong-form",
      hidden: true,
      onsubmit: (event) => {
        event.preventDefault();
        give(judged.map((concept, i) => [concept, choices[i].querySelector("select").value]));
      },
    },
    ...choices,
    el("label", { className: "grow" }, t("verdict.note"), note),
    el("button", { type: "submit" }, t("verdict.send")),
  );
  return el(
    "div",
    { className: "verdict", role: "group", ariaLabel: t("verdict.title") },
    el("span", {}, t("verdict.labels")),
    el(
      "button",
      {
        type: "button",
        className: "correct",
        onclick: () => give(judged.map((concept) => [concept, labels[concept].label])),
      },
      icon("correct"),
      t("verdict.correct"),
    ),
    el(
      "button",
      {
        type: "button",
        className: "wrong",
        onclick: () => {
          wrong.hidden = !wrong.hidden;
          if (!wrong.hidden) wrong.querySelector("select").focus();
        },
      },
      icon("wrong"),
      t("verdict.wrong"),
    ),
    name,
    wrong,
  );
}

const choice = (concept, chosen) =>
  el(
    "label",
    {},
    CONCEPTS[concept],
    el("select", {}, ...Object.entries(LABELS[concept]).map(([value, name]) => el("option", { value, selected: value === chosen }, name))),
  );

/** The name last given in this browser. */
export function remembered() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // no storage
  }
}

/** Keep a name for the next time. */
export function remember(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // Not remembered: no storage.
  }
}

/** What was said of an event's labels, as words: "Judged correct", or the labels they should have been. */
export function verdictWords({ labels: right }, { labels }) {
  const changed = changes(right, labels);
  return changed.length ? t("verdict.corrected", { labels: listed(changed.map(([concept, label]) => labelName(concept, label))) }) : t("verdict.judged");
}

const changes = (right, labels) => Object.entries(right).filter(([concept, label]) => labels[concept]?.label !== label);

/** Whether a verdict changes any label of its event. */
export const corrects = ({ labels: right }, { labels }) => changes(right, labels).length > 0;

/** Send a verdict to the server; rejects with a sentence to show. */
export async function post(verdict, keepalive = false) {
  const answer = await fetch("/verdicts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(verdict),
    keepalive, // sent though the page is left
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
}
