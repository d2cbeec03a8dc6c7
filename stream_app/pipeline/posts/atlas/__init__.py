"""Names of places the world over: a file made once from GeoNames, and how it is read."""
