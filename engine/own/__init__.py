"""Label tables of the user's own: from their rows to a model and its scores."""
