"""Incidents: posts that belong together, kept as one updating entity each."""
