"""Training, calibration and evaluation. Needs the ``train`` extra."""
