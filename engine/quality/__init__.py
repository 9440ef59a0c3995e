"""Quality: measures, how sure they are, calibration and conformal correction."""
