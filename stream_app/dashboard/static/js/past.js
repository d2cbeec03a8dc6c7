// History: a slider from the first post that Kafka has to now. Moved, it shows the posts of the hour before that time; the
// time is in the address. At its end the posts are live.

import { t } from "./i18n.js";
import { dayTime } from "./words.js";

const STEP_MS = 5 * 60_000;

export class Past {
  #parts;
  #store;
  #filters;
  #toast;
  #asked = null;

  /** `parts`: `box`, `slider`, `shown`, `back`, `words`. */
  constructor(parts, store, filters, toast) {
    this.#parts = parts;
    this.#store = store;
    this.#filters = filters;
    this.#toast = toast;
    parts.slider.addEventListener("input", () => this.#say(Number(parts.slider.value)));
    parts.slider.addEventListener("change", () => filters.update({ until: this.#live ? "" : new Date(Number(parts.slider.value)).toISOString().slice(0, 16) + "Z" }));
    parts.back.addEventListener("click", () => filters.update({ until: "" }));
    filters.addEventListener("change", () => this.#follow());
    this.#begin();
  }

  get #live() {
    return Number(this.#parts.slider.value) >= Number(this.#parts.slider.max);
  }

  async #begin() {
    const answer = await fetch("/past").then((each) => (each.ok ? each.json() : {}), () => ({}));
    const { slider, box } = this.#parts;
    const wanted = Date.parse(this.#filters.current.until);
    const first = Math.min(Date.parse(answer.first ?? new Date().toISOString()), wanted || Infinity);
    slider.max = Math.ceil(Date.now() / STEP_MS) * STEP_MS;
    slider.min = Math.floor(first / STEP_MS) * STEP_MS;
    slider.step = STEP_MS;
    slider.value = wanted || slider.max;
    box.hidden = !answer.first && !wanted;
    this.#say(Number(slider.value));
    this.#follow();
  }

  #say(moment) {
    const words = this.#live ? t("past.live") : dayTime(moment);
    this.#parts.shown.value = words;
    this.#parts.slider.setAttribute("aria-valuetext", words);
  }

  /** Show what the address says. */
  async #follow() {
    const until = this.#filters.current.until ?? null;
    if (until === this.#asked) return;
    this.#asked = until;
    const { slider, words, back } = this.#parts;
    slider.value = until ? Date.parse(until) : slider.max;
    this.#say(Number(slider.value));
    back.hidden = !until;
    words.hidden = !until;
    words.textContent = until ? t("past.loading") : "";
    if (!until) return this.#store.show(null);
    try {
      const answer = await fetch(`/past?${new URLSearchParams({ until })}`);
      if (!answer.ok) throw new Error((await answer.text()).trim());
      const past = await answer.json();
      if (until !== this.#asked) return; // moved on meanwhile
      words.textContent = [t("past.showing", { since: dayTime(Date.parse(past.since)), until: dayTime(Date.parse(past.until)) }), past.cut && t("past.cut")].filter(Boolean).join(". ");
      this.#store.show(past);
    } catch (error) {
      if (until !== this.#asked) return;
      this.#toast(t("past.problem", { error: error.message }), true);
      this.#filters.update({ until: "" });
    }
  }
}
