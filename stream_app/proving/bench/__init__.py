"""Speed as ratios: the worker beside its own model, beside rivals doing equal work, beside the machine's limit."""
