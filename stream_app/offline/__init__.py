"""Labelling without Kafka: lines of a file in, events out, by the same steps as the stream."""
