"""Data for the examples: made from a seed with planted habits (`camera_shop`, `subscribers`), or real (`journey`)."""
