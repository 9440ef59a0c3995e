"""Training: members, blend, calibration, one look at the test rows; and what is kept of it."""
