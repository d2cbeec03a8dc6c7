"""First step: raw bytes are read from Kafka, and how far the work on them has come is kept."""
