// The list of posts in the order chosen, noise folded behind a button at the end. Calm by design: nothing moves under a reader's eyes. While they have scrolled down,
// hold a post open or pressed pause, new posts wait behind a button and only counts change in place.

import { cardElement } from "./card.js";
import { folded } from "./filters.js";
import { comparison } from "./order.js";
import { t } from "./i18n.js";

const PAGE = 40;

export class Feed {
  #open = new Set();
  #elements = new Map(); // card id -> { card, open, fresh, node }
  #heldAt = null; // order of the newest post shown while held
  #limit = PAGE;
  #matches = () => true;
  #due = false;
  #wanted = null; // the post that the address named, until it is there

  constructor(store, filters, { list, fresh, counter, noise }, actions) {
    Object.assign(this, { store, filters, list, fresh, counter, noise });
    this.paused = false;
    this.#wanted = filters.current.post;
    this.actions = { ...actions, toggle: (id) => this.toggle(id) };
    store.addEventListener("posts", () => this.later());
    fresh.addEventListener("click", () => this.top());
    list.addEventListener("scroll", () => this.#scrolled());
    list.addEventListener("focusin", () => this.later());
    list.addEventListener("focusout", () => this.later());
  }

  /** Show what `matches` from the top. */
  filter(matches) {
    this.#matches = matches;
    this.#limit = PAGE;
    this.list.scrollTop = 0;
    this.#heldAt = null;
    this.later();
  }

  /** Show what `matches` now says, without moving: the same filters, but what they mean has grown. */
  follow(matches) {
    this.#matches = matches;
    this.later();
  }

  /** Draw once, before the next frame. */
  later() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => ((this.#due = false), this.draw()));
  }

  get #held() {
    return this.paused || this.#open.size > 0 || this.list.scrollTop > 60;
  }

  draw() {
    if (!this.#held) this.#heldAt = null;
    else this.#heldAt ??= this.store.newest;
    const found = [...this.store.cards.values()].filter(this.#matches);
    const away = folded(this.filters.current);
    const matching = found.filter((card) => !away(card));
    const here = this.#heldAt === null ? matching : matching.filter((card) => card.order <= this.#heldAt);
    const waiting = matching.length - here.length;
    const sorted = here.sort(comparison(this.filters.sort));
    this.#openShared(sorted);
    const shown = sorted.slice(0, this.#limit);
    this.#place(shown);
    this.#tellNoise(found.length - matching.length);
    this.fresh.hidden = waiting === 0;
    this.fresh.textContent = t("feed.new", { n: waiting });
    this.counter.textContent = t("feed.shown", { n: matching.length });
    this.list.role = shown.length ? "feed" : "note"; // a feed without posts is no feed
    this.list.dataset.empty = found.length ? "" : t(this.store.cards.size ? "feed.nothing" : "feed.empty");
  }

  /** The button at the end: how many posts are folded away as noise, or how to fold them again. */
  #tellNoise(folded) {
    const unfolded = Boolean(this.filters.current.noise);
    this.noise.hidden = !folded && !unfolded;
    this.noise.textContent = unfolded ? t("feed.fold") : t("feed.noise", { n: folded });
  }

  /** Once, when it is there: open the post that the address names. */
  #openShared(sorted) {
    const index = this.#wanted ? sorted.findIndex(({ id }) => id === this.#wanted) : -1;
    if (index < 0) return;
    this.#open.add(this.#wanted);
    this.#limit = Math.max(this.#limit, index + PAGE);
    const id = this.#wanted;
    this.#wanted = null;
    requestAnimationFrame(() => this.#elements.get(id)?.node.scrollIntoView({ block: "start" }));
  }

  #place(cards) {
    const wanted = new Set(cards.map((card) => card.id));
    for (const [id, { node }] of this.#elements) {
      if (wanted.has(id)) continue;
      node.remove();
      this.#elements.delete(id);
      this.#open.delete(id);
    }
    const nodes = cards.map((card) => this.#node(card)); // may replace some in place: do so before walking them
    let next = this.list.firstElementChild;
    nodes.forEach((node, index) => {
      node.setAttribute("aria-posinset", index + 1);
      node.setAttribute("aria-setsize", cards.length);
      if (node === next) next = next.nextElementSibling;
      else this.list.insertBefore(node, next);
    });
  }

  #node(card) {
    const open = this.#open.has(card.id);
    const made = this.#elements.get(card.id);
    const fresh = this.actions.isFresh(card);
    if (made?.card === card && made.open === open && made.fresh === fresh) return made.node;
    if (made?.open && open && made.card.event.id === card.event.id) return made.node; // an open post is not redrawn under the hands of its reader
    const focused = made?.node.contains(document.activeElement);
    const node = cardElement(card, open, this.actions);
    made?.node.replaceWith(node);
    this.#elements.set(card.id, { card, open, fresh, node });
    if (focused) node.focus({ preventScroll: true });
    return node;
  }

  #scrolled() {
    const left = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight;
    if (left < 400 && this.#elements.size >= this.#limit) this.#limit += PAGE;
    this.later();
  }

  /** Open or close a post. */
  toggle(id) {
    const opens = !this.#open.delete(id);
    if (opens) this.#open.add(id);
    this.filters.note(opens ? id : null);
    this.draw();
    this.#elements.get(id)?.node.scrollIntoView({ block: "nearest" });
  }

  /** Close a post that is open and keep the focus on it. */
  close(id) {
    if (!this.#open.has(id)) return;
    this.toggle(id);
    this.#elements.get(id)?.node.focus({ preventScroll: true });
  }

  /** Close everything, let waiting posts in and go to the newest. */
  top() {
    this.#open.clear();
    this.filters.note(null);
    this.#heldAt = null;
    this.list.scrollTop = 0;
    if (this.paused) this.#heldAt = this.store.newest;
    this.draw();
    this.list.firstElementChild?.focus({ preventScroll: true });
  }

  /** Ids of the posts in the list. */
  get ids() {
    return [...this.#elements.keys()];
  }

  /** Tick the boxes of the posts that are chosen. */
  redraw() {
    for (const [id, { node }] of this.#elements) node.querySelector(".choose").checked = this.actions.isChosen(id);
  }

  /** The post that has the focus, as card id. */
  get focused() {
    return document.activeElement?.closest?.(".card")?.dataset.id;
  }

  /** Move the focus `step` posts down (or up). */
  move(step) {
    const nodes = [...this.list.children];
    const now = nodes.findIndex((node) => node.dataset.id === this.focused);
    const node = nodes[now < 0 ? 0 : Math.min(Math.max(now + step, 0), nodes.length - 1)];
    node?.focus({ preventScroll: true });
    node?.scrollIntoView({ block: "nearest" });
  }
}
