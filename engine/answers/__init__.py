"""Answers: from a plan, its data and a model to the rows of a result; models kept between them."""
