// What is new since its reader last looked. Remembered in this browser: the page going out of sight ends a look.

const KEY = "looked";

function stored() {
  try {
    return Number(localStorage.getItem(KEY)) || null;
  } catch {
    return null; // no storage: every visit is the first
  }
}

export class Look {
  since = stored(); // ms since 1970; null on a first visit, when nothing is marked

  constructor(changed) {
    this.changed = changed;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#ends() : this.#begins()));
    addEventListener("pagehide", () => this.#ends());
  }

  /** Whether a card has come since. */
  isFresh = (card) => this.since !== null && Date.parse(card.seen_at) > this.since;

  /** Whether an incident, or the work on it, has changed since. */
  isNews = ({ updated_at, work }) => this.since !== null && [updated_at, work?.log.at(-1)?.at].some((at) => at && Date.parse(at) > this.since);

  /** Everything has been seen up to now. */
  seen() {
    this.#ends();
    this.#begins();
  }

  #ends() {
    try {
      localStorage.setItem(KEY, String(Date.now()));
    } catch {
      // Not remembered: no storage.
    }
  }

  #begins() {
    this.since = stored();
    this.changed();
  }
}
