"""Pairs of entity and item as of one anchor: candidates and what is measured of them."""
