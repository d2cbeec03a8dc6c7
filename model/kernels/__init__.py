"""How layers are multiplied on this machine: number formats, and oneDNN's packed operations."""
