// The map: country outlines from a file of our own (no tiles, no requests elsewhere), incidents as rings, located
// posts gathered per place. It moves only when asked to.

import { el, icon } from "./dom.js";
import { LABELS, labelName, placeName, plural } from "./words.js";
import { severityName } from "./incidents.js";

const L = window.L;
const NAMED_PLACES = 8;
const WORLD = [
  [-58, -170],
  [78, 178],
];

/** Located cards gathered by place, most posts first: { key, place, cards, labels: Map(label -> count) }. */
export function byPlace(cards) {
  const places = new Map();
  for (const card of cards) {
    const { place } = card.event.post;
    if (place?.latitude == null || place.longitude == null) continue;
    const key = `${place.latitude.toFixed(2)},${place.longitude.toFixed(2)}`;
    const spot = places.get(key) ?? { key, place, cards: [], labels: new Map() };
    const label = card.event.labels.humanitarian.label ?? "none";
    spot.cards.push(card);
    spot.labels.set(label, (spot.labels.get(label) ?? 0) + 1);
    places.set(key, spot);
  }
  return [...places.values()].sort((a, b) => b.cards.length - a.cards.length);
}

const commonest = (labels) => [...labels].sort((a, b) => b[1] - a[1])[0][0];

export class StreamMap {
  #posts = L.layerGroup();
  #incidents = L.layerGroup();
  #bounds = null;
  #fitted = false;

  constructor(node, legend, actions) {
    this.actions = actions;
    this.map = L.map(node, {
      attributionControl: false,
      zoomControl: false,
      worldCopyJump: true,
      minZoom: 1,
      maxZoom: 9,
      zoomSnap: 0.25,
      maxBounds: [
        [-75, -220],
        [88, 220],
      ],
    }).fitBounds(WORLD);
    L.control.zoom({ position: "topright" }).addTo(this.map);
    this.#addFitButton();
    this.#incidents.addTo(this.map);
    this.#posts.addTo(this.map);
    this.#drawWorld();
    legend.append(...Object.entries(LABELS.humanitarian).map(([label, name]) => el("li", { dataset: { label } }, icon(label), name)));
    new ResizeObserver(() => this.map.invalidateSize({ pan: false })).observe(node);
  }

  async #drawWorld() {
    const answer = await fetch("/static/vendor/world.geo.json");
    L.geoJSON(await answer.json(), { interactive: false, style: { className: "country" } }).addTo(this.map);
  }

  #addFitButton() {
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      const button = el("button", { type: "button", className: "fit", title: "Show all posts on the map", onclick: () => this.fit() }, icon("fit", "Show all"));
      const bar = el("div", { className: "leaflet-bar" }, button);
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    };
    control.addTo(this.map);
  }

  /** Zoom to everything that is located. */
  fit() {
    if (this.#bounds?.isValid()) this.map.fitBounds(this.#bounds, { padding: [40, 40], maxZoom: 7 });
    else this.map.fitBounds(WORLD);
  }

  /** Show cards and incidents; the first time anything is located, zoom to it. */
  draw(cards, incidents, chosen) {
    this.#posts.clearLayers();
    this.#incidents.clearLayers();
    this.#bounds = L.latLngBounds([]);
    byPlace(cards).forEach((spot, index) => this.#addSpot(spot, index < NAMED_PLACES));
    for (const incident of incidents) this.#addIncident(incident, incident.id === chosen);
    if (!this.#fitted && this.#bounds.isValid()) {
      this.#fitted = true;
      this.fit();
    }
  }

  #addSpot({ place, cards, labels }, named) {
    const at = [place.latitude, place.longitude];
    const label = commonest(labels);
    const size = Math.round(18 + 7 * Math.log2(cards.length));
    const title = `${placeName(place)}: ${plural(cards.length, "post", "posts")}, most of them ${labelName("humanitarian", label)}`;
    const face = el("span", { className: "spot", dataset: { label } }, icon(label), cards.length > 1 ? el("b", {}, String(cards.length)) : null);
    const marker = L.marker(at, {
      icon: L.divIcon({ html: face, className: "spot-box", iconSize: [size + 14, size] }),
      title,
      alt: title,
      zIndexOffset: cards.length,
    });
    if (named) marker.bindTooltip(el("span", {}, place.name ?? placeName(place)), { permanent: true, direction: "bottom", className: "place-name", offset: [0, size / 2 - 4] });
    marker.on("click keypress", (event) => {
      if (event.type === "click" || event.originalEvent.key === "Enter") this.actions.place(place.name ?? place.country_code);
    });
    marker.addTo(this.#posts);
    this.#bounds.extend(at);
  }

  #addIncident(incident, chosen) {
    const { place } = incident;
    if (place?.latitude == null || place.longitude == null) return;
    const at = [place.latitude, place.longitude];
    const ring = L.circleMarker(at, {
      radius: 16 + 5 * Math.log2(1 + incident.post_count),
      className: `ring ring-${incident.severity}${chosen ? " chosen" : ""}`,
    });
    ring.bindTooltip(el("span", {}, `${severityName(incident)}: ${labelName("humanitarian", incident.category)}, ${placeName(place)}, ${plural(incident.post_count, "post", "posts")}`));
    ring.on("click", () => this.actions.incident(chosen ? null : incident.id));
    ring.addTo(this.#incidents);
    this.#bounds.extend(at);
  }
}
