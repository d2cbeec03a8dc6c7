// The browser's copy of what the server shows. Bounded as the server is: what the server lets go goes here too.

export class Store extends EventTarget {
  past = null; // { since, until, cards } while an earlier hour is looked at
  #live = new Map(); // id -> card as the server sent it, plus `order`, its place in the order of arrival
  incidents = new Map();
  stats = { counts: {}, labels: {}, per_second: [], dead_letters: [], lag: null, problems: [] };
  #arrived = 0;

  /** The cards on show: the present's, or those of the hour that is looked at. */
  get cards() {
    return this.past?.cards ?? this.#live;
  }

  /** Show an earlier hour as the server sent it, or the present for null. */
  show(past) {
    this.past = past && { since: Date.parse(past.since), until: Date.parse(past.until), cards: new Map(past.cards.map((card) => [card.id, { ...card, order: ++this.#arrived }])) };
    this.dispatchEvent(new Event("turned"));
  }

  /** The incidents on show: in an earlier hour those of its time, as they are now. */
  get shownIncidents() {
    if (!this.past) return this.incidents;
    return new Map([...this.incidents].filter(([, { first_seen, last_seen }]) => Date.parse(first_seen) <= this.past.until && Date.parse(last_seen) >= this.past.since));
  }

  /** Everything anew: the first message, and the one after a long disconnection. */
  snapshot({ cards, incidents, stats }) {
    const known = this.#live;
    this.#live = new Map();
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
      this.#live.delete(id);
      this.past?.cards.delete(id); // withdrawn; what the present only lets go is asked of Kafka
      this.incidents.delete(id);
    }
    for (const card of cards) this.#put(card, this.#live.get(card.id)?.order);
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
    this.#live.set(card.id, { ...card, order: order ?? ++this.#arrived });
  }
}
