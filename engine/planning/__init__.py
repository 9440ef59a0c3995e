"""Planning: from a bound query and counts of the data to a plan, before anything is trained."""
