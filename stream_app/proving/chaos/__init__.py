"""Programs that kill, stall and poison real workers on a real Kafka, then count what was lost."""
