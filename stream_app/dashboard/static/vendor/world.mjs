// Makes world.geo.json: country outlines for the map without tiles. Run once, by hand:
//   npm install world-atlas@2 topojson-client@3 topojson-simplify@3 && node world.mjs > world.geo.json
// Natural Earth's 1:50m outlines, simplified as one topology (borders stay shared), to 0.01 degree.
import { readFileSync } from "node:fs";
import { feature } from "topojson-client";
import { presimplify, quantile, simplify } from "topojson-simplify";

const KEPT = 0.25; // share of the outline's points that is kept
const weighted = presimplify(JSON.parse(readFileSync("node_modules/world-atlas/countries-50m.json")));
const world = feature(...((t) => [t, t.objects.countries])(simplify(weighted, quantile(weighted, KEPT))));
const round = (c) => (typeof c[0] === "number" ? c.map((x) => Math.round(x * 100) / 100) : c.map(round));
const features = world.features.map(({ geometry, properties }) => ({
  type: "Feature",
  properties: { name: properties.name },
  geometry: { type: geometry.type, coordinates: round(geometry.coordinates) },
}));
process.stdout.write(JSON.stringify({ type: "FeatureCollection", features }));
