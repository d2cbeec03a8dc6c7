"""One replica: the steps joined into a pipeline, supervised, measured and stopped in order."""
