"""Reasons: what each thing a model looked at adds to a prediction."""
