// The map: country outlines from a file of our own (no tiles, no requests elsewhere), incidents as rings, located
// posts gathered per place. It moves only when asked to.

import { el, icon } from "./dom.js";
import { t } from "./i18n.js";
import { positionOf } from "./filters.js";
import { LABELS, count, labelName, placeName } from "./words.js";
import { severityName } from "./incidents.js";

const L = window.L;
const NAMED_PLACES = 8;
const REACH_PX = 44;
const WORLD = [
  [-58, -170],
  [78, 178],
];

/** Located cards gathered by place, most posts first: { key, place, cards, labels: Map(label -> count) }. */
export function byPlace(cards) {
  const places = new Map();
  for (const card of cards) {
    const { place } = card.event.post;
    const key = positionOf(card);
    if (!key) continue;
    const spot = places.get(key) ?? { key, place, cards: [], labels: new Map() };
    const label = card.event.labels.humanitarian.label ?? "none";
    spot.name ??= place.name; // the same position may come with and without a name
    spot.cards.push(card);
    spot.labels.set(label, (spot.labels.get(label) ?? 0) + 1);
    places.set(key, spot);
  }
  return [...places.values()].sort((a, b) => b.cards.length - a.cards.length);
}

/** Spots nearer than `reach` pixels to a bigger one joined to it, so that none hides another. */
function gather(spots, toPixels, reach) {
  const kept = [];
  for (const spot of spots) {
    const at = toPixels([spot.place.latitude, spot.place.longitude]);
    const near = kept.find((other) => at.distanceTo(other.at) < reach);
    if (!near) {
      kept.push({ ...spot, at, labels: new Map(spot.labels), total: spot.cards.length, others: 0, keys: [spot.key] });
      continue;
    }
    for (const [label, n] of spot.labels) near.labels.set(label, (near.labels.get(label) ?? 0) + n);
    near.total += spot.cards.length;
    near.others += 1;
    near.keys.push(spot.key);
    near.name ??= spot.name;
  }
  return kept;
}

const commonest = (labels) => [...labels].sort((a, b) => b[1] - a[1])[0][0];

export class StreamMap {
  #posts = L.layerGroup();
  #incidents = L.layerGroup();
  #bounds = L.latLngBounds([]);
  #fitted = false;
  #touched = false; // once its reader has moved it, only they do
  #shown = [[], [], null];

  constructor(node, legend, actions) {
    this.actions = actions;
    this.map = L.map(node, {
      attributionControl: false,
      zoomControl: false,
      fadeAnimation: false,
      worldCopyJump: true,
      minZoom: 1,
      maxZoom: 9,
      zoomSnap: 0.25,
      maxBounds: [
        [-75, -220],
        [88, 220],
      ],
    }).fitBounds(WORLD);
    L.control.zoom({ position: "topright", zoomInTitle: t("map.in"), zoomOutTitle: t("map.out") }).addTo(this.map);
    this.#addFitButton();
    this.#incidents.addTo(this.map);
    this.#posts.addTo(this.map);
    this.#drawWorld();
    legend.append(...Object.entries(LABELS.humanitarian).map(([label, name]) => el("li", { dataset: { label } }, icon(label), name)));
    for (const kind of ["pointerdown", "wheel", "keydown"]) node.addEventListener(kind, () => (this.#touched = true), { passive: true });
    this.map.on("zoomend", () => this.draw(...this.#shown));
    new ResizeObserver(() => {
      this.map.invalidateSize({ pan: false });
      if (this.#fitted && !this.#touched) this.fit();
      this.draw(...this.#shown);
    }).observe(node);
  }

  async #drawWorld() {
    const answer = await fetch("/static/vendor/world.geo.json");
    L.geoJSON(await answer.json(), { interactive: false, style: { className: "country" } }).addTo(this.map);
  }

  #addFitButton() {
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      const button = el("button", { type: "button", className: "fit", title: t("map.fit"), onclick: () => this.fit() }, icon("fit", t("map.all")));
      const bar = el("div", { className: "leaflet-bar" }, button);
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    };
    control.addTo(this.map);
  }

  /** Its middle, as [latitude, longitude]. */
  get centre() {
    const { lat, lng } = this.map.getCenter().wrap();
    return [lat, lng];
  }

  /** Zoom to everything that is located. */
  fit() {
    if (this.#bounds?.isValid()) this.map.fitBounds(this.#bounds, { padding: [72, 56], maxZoom: 7 });
    else this.map.fitBounds(WORLD);
  }

  /** Zoom to one incident: as far as it reaches, and to those of its posts that are located. */
  zoomTo({ place }, cards) {
    const bounds = L.latLngBounds(cards.flatMap(({ event: { post } }) => (positionOf({ event: { post } }) ? [[post.place.latitude, post.place.longitude]] : [])));
    if (place?.latitude != null) bounds.extend(L.latLng(place.latitude, place.longitude).toBounds(2000 * place.radius_km));
    if (!bounds.isValid()) return;
    this.#touched = this.#fitted = true; // where its reader wanted it
    this.map.fitBounds(bounds, { padding: [40, 40], maxZoom: 9 });
  }

  /** Show cards and incidents; the first time anything is located, zoom to it. */
  draw(cards, incidents, chosen) {
    this.#shown = [cards, [...incidents], chosen];
    this.#posts.clearLayers();
    this.#incidents.clearLayers();
    this.#bounds = L.latLngBounds([]);
    const spots = byPlace(cards);
    for (const { place } of spots) this.#bounds.extend([place.latitude, place.longitude]);
    gather(spots, (at) => this.map.latLngToLayerPoint(at), REACH_PX).forEach((spot, index) => this.#addSpot(spot, index < NAMED_PLACES));
    for (const incident of this.#shown[1].filter(({ status }) => status === "open")) this.#addIncident(incident, incident.id === chosen);
    if (!this.#fitted && this.#bounds.isValid() && this.map.getSize().x > 0) {
      this.#fitted = true;
      this.fit();
    }
  }

  #addSpot({ place, name, total, others, labels, keys }, named) {
    const at = [place.latitude, place.longitude];
    const label = commonest(labels);
    const size = Math.round(20 + 3 * Math.log2(total));
    const where = `${name ?? placeName(place)}${others ? ` +${others}` : ""}`;
    const all = others ? `${placeName(place)} ${t("scope.near", { n: others })}` : placeName(place);
    const title = t("map.spot", { place: all, posts: t("posts", { n: total }), label: labelName("humanitarian", label) });
    const face = el("span", { className: "spot", dataset: { label } }, icon(label), total > 1 ? el("b", {}, count(total)) : null);
    const marker = L.marker(at, {
      icon: L.divIcon({ html: face, className: "spot-box", iconSize: [size + 14, size] }),
      title,
      alt: title,
      zIndexOffset: total,
    });
    if (named) marker.bindTooltip(el("span", {}, where), { permanent: true, direction: "bottom", className: "place-name", offset: [0, size / 2 - 4] });
    marker.on("click keypress", (event) => {
      if (event.type === "click" || event.originalEvent.key === "Enter") this.actions.spot(keys);
    });
    marker.addTo(this.#posts);
  }

  #addIncident(incident, chosen) {
    const { place } = incident;
    if (place?.latitude == null || place.longitude == null) return;
    const at = [place.latitude, place.longitude];
    const ring = L.circleMarker(at, {
      radius: 16 + 5 * Math.log2(1 + incident.post_count),
      className: `ring ring-${incident.severity}${chosen ? " chosen" : ""}`,
    });
    ring.bindTooltip(el("span", {}, t("map.incident", { severity: severityName(incident), label: labelName("humanitarian", incident.category), place: placeName(place), posts: t("posts", { n: incident.post_count }) })));
    ring.on("click", () => this.actions.incident(chosen ? null : incident.id));
    ring.addTo(this.#incidents);
    this.#bounds.extend(at);
  }
}
