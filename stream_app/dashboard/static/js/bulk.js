// One verdict on several posts. They are chosen by a box on each card (or the key s); what is sent can be taken back for
// a moment: verdicts in Kafka cannot be unsaid, so they leave only then, or at once when the page is left.

import { el, fill } from "./dom.js";
import { t } from "./i18n.js";
import { CONCEPTS, LABELS } from "./words.js";
import { post, remembered } from "./verdict.js";

const MOMENT_MS = 6000;

/** What to send for a card: all its labels are right, or one should be `label`. */
function verdictOn({ event }, concept, label) {
  const labels = concept ? { [concept]: label } : Object.fromEntries(Object.keys(CONCEPTS).flatMap((each) => (event.labels[each]?.label ? [[each, event.labels[each].label]] : [])));
  return { event: event.id, labels, analyst: remembered() || null, note: null };
}

export class Bulk {
  #chosen = new Set(); // card ids
  #waiting = null; // { verdicts: [[card id, verdict]], timer }
  #node;
  #options;

  /** `options`: `cards()` as a map by id, `shown()` the ids in the feed, `toast(words, bad)`, `changed()` when the choice has changed. */
  constructor(node, options) {
    this.#node = node;
    this.#options = options;
    addEventListener("pagehide", () => this.#waiting && this.#send(true));
  }

  has = (id) => this.#chosen.has(id);

  /** Choose a card, or choose it no more. */
  toggle(id) {
    if (!this.#chosen.delete(id)) this.#chosen.add(id);
    this.#draw();
  }

  /** Forget cards that have gone. */
  keep(cards) {
    const before = this.#chosen.size;
    for (const id of this.#chosen) if (!cards.has(id)) this.#chosen.delete(id);
    if (this.#chosen.size !== before) this.#draw();
  }

  #choose(ids) {
    this.#chosen = new Set(ids);
    this.#draw();
    this.#options.changed();
  }

  #draw() {
    this.#node.hidden = !this.#chosen.size && !this.#waiting;
    if (this.#waiting) return void fill(this.#node, el("span", { role: "status" }, t("bulk.waiting", { n: this.#waiting.verdicts.length })), this.#button("undo", () => this.#undo()), this.#button("now", () => this.#send()));
    const label = el("select", { ariaLabel: t("bulk.label"), onchange: () => label.value && this.#give(...label.value.split(":")) }, el("option", { value: "" }, t("bulk.choose")));
    for (const [concept, names] of Object.entries(LABELS)) label.append(el("optgroup", { label: CONCEPTS[concept] }, ...Object.entries(names).map(([value, name]) => el("option", { value: `${concept}:${value}` }, name))));
    fill(this.#node, el("span", { role: "status" }, t("bulk.chosen", { n: this.#chosen.size })), this.#button("correct", () => this.#give()), label, this.#button("all", () => this.#choose(this.#options.shown())), this.#button("none", () => this.#choose([])));
  }

  #button = (name, onclick) => el("button", { type: "button", dataset: { deed: name }, onclick }, t(`bulk.${name}`));

  #give(concept, label) {
    const cards = this.#options.cards();
    const verdicts = [...this.#chosen].filter((id) => cards.has(id)).map((id) => [id, verdictOn(cards.get(id), concept, label)]);
    this.#waiting = { verdicts, timer: setTimeout(() => this.#send(), MOMENT_MS) };
    this.#draw();
    this.#node.querySelector("button")?.focus();
  }

  #undo() {
    clearTimeout(this.#waiting.timer);
    this.#waiting = null;
    this.#options.toast(t("bulk.undone"));
    this.#draw();
  }

  async #send(leaving = false) {
    const { verdicts, timer } = this.#waiting;
    clearTimeout(timer);
    this.#waiting = null;
    this.#choose([]);
    const sent = leaving ? verdicts.map(([, verdict]) => post(verdict, true)) : verdicts.map(([, verdict]) => () => post(verdict));
    const failed = [];
    for (const [index, deed] of sent.entries()) {
      try {
        await (leaving ? deed : deed()); // one after another, unless there is no time
      } catch (error) {
        failed.push([verdicts[index][0], error.message]);
      }
    }
    if (failed.length) {
      this.#choose(failed.map(([id]) => id));
      this.#options.toast(t("bulk.failed", { n: failed.length, error: failed[0][1] }), true);
    } else this.#options.toast(t("bulk.sent", { n: verdicts.length }));
  }
}
