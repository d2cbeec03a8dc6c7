"""Descriptions of the topics for other programs, made from the models themselves: JSON Schema and AsyncAPI."""
