// An analyst's verdict on a post's labels: all correct, or which label it should have been.

import { el, icon } from "./dom.js";
import { CONCEPTS, LABELS } from "./words.js";

/** The buttons under an opened post; `send(card, correct)` gets the right label of each task that was judged. */
export function verdictForm(card, send) {
  const { labels } = card.event;
  const judged = Object.keys(CONCEPTS).filter((concept) => labels[concept].label !== null);
  const choices = judged.map((concept) => choice(concept, labels[concept].label));
  const wrong = el(
    "form",
    {
      className: "wrong-form",
      hidden: true,
      onsubmit: (event) => {
        event.preventDefault();
        send(card, Object.fromEntries(judged.map((concept, i) => [concept, choices[i].querySelector("select").value])));
      },
    },
    ...choices,
    el("button", { type: "submit" }, "Send"),
  );
  return el(
    "div",
    { className: "verdict", role: "group", ariaLabel: "Your verdict" },
    el("span", {}, "Labels are"),
    el(
      "button",
      {
        type: "button",
        className: "correct",
        onclick: () => send(card, Object.fromEntries(judged.map((concept) => [concept, labels[concept].label]))),
      },
      icon("correct"),
      "Correct",
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
      "Wrong",
    ),
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

/** Send a verdict to the server; rejects with a sentence to show. */
export async function post(verdict) {
  const answer = await fetch("/verdicts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(verdict),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
}
