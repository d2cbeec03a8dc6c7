"""How events and incidents are written for people and their programs: table, GeoJSON, CAP; and which are shown."""
