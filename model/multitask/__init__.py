"""Learning several tasks at once: losses per task and the ways to balance them (method section 3 and its baselines)."""
