"""Feedback: what analysts say of labels, and what that says of the alert thresholds."""
