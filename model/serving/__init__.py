"""What answers in the stream: a bundle of weights, the calibration, the scorer that uses both."""
