"""Fourth step: posts with their images are gathered into batches and scored; what was labelled once is remembered."""
