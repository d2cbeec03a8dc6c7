// The browser's copy of what the server shows. Bounded as the server is: what the server lets go goes here too.

export class Store extends EventTarget {
  cards = new Map(); // id -> card as the server sent it, plus `order`, its place in the order of arrival
  incidents = new Map();
  stats = { counts: {}, labels: {}, per_second: [], dead_letters: [], lag: null, problems: [] };
  #arrived = 0;

  /** Everything anew: the first message, and the one after a long disconnection. */
  snapshot({ cards, incidents, stats }) {
    const known = this.cards;
    this.cards = new Map();
    for (const card of cards) this.#put(card, known.get(card.id)?.order);
    this.incidents = new Map(incidents.map((incident) => [incident.id, incident]));
    this.stats = stats;
    this.dispatchEvent(new Event("posts"));
    this.dispatchEvent(new Event("incidents"));
    this.dispatchEvent(new Event("stats"));
  }

  /** What is new since the last message. */
  changes({ cards, gone, incidents }) {
    for (const id of gone) {
      this.cards.delete(id);
      this.incidents.delete(id);
    }
    for (const card of cards) this.#put(card, this.cards.get(card.id)?.order);
    for (const incident of incidents) this.incidents.set(incident.id, incident);
    if (cards.length || gone.length) this.dispatchEvent(new Event("posts"));
    if (incidents.length || gone.length) this.dispatchEvent(new Event("incidents"));
  }

  /** The counts, once a second. */
  count(stats) {
    this.stats = stats;
    this.dispatchEvent(new Event("stats"));
  }

  /** Order of the newest card: a held feed shows nothing beyond the one it was held at. */
  get newest() {
    return this.#arrived;
  }

  #put(card, order) {
    this.cards.set(card.id, { ...card, order: order ?? ++this.#arrived });
  }
}
