// Makes world.geo.json: country outlines for the map without tiles. Run once, by hand:
//   npm install world-atlas@2 topojson-client@3 topojson-simplify@3 && node world.mjs > world.geo.json
// Natural Earth's 1:50m outlines, simplified as one topology (borders stay shared), to 0.01 degree.
import { readFileSync } from "node:fs";
import { feature } from "topojson-client";
import { presimplify, quantile, simplify } from "topojson-simplify";

const KEPT = 0.25; // share of the outline's points that is kept
const weighted = presimplify(JSON.parse(readFileSync("node_modules/world-atlas/countries-50m.json")));
const world = feature(...((t) => [t, t.objects.countries])(simplify(weighted, quantile(weighted, KEPT))));
const hundredths = (x) => Math.round(x * 100) / 100;
// A ring that crosses the date line runs on past 180 degrees instead of jumping back across the map.
const unwrap = (ring) => ring.map(([x, y]) => [hundredths(x - ring[0][0] > 180 ? x - 360 : ring[0][0] - x > 180 ? x + 360 : x), hundredths(y)]);
const outline = (c) => (typeof c[0][0] === "number" ? unwrap(c) : c.map(outline));
const drawn = world.features.filter(({ properties }) => properties.name !== "Antarctica"); // a ring around the pole
const features = drawn.map(({ geometry, properties }) => ({
  type: "Feature",
  properties: { name: properties.name },
  geometry: { type: geometry.type, coordinates: outline(geometry.coordinates) },
}));
process.stdout.write(JSON.stringify({ type: "FeatureCollection", features }));
