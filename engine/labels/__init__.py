"""Labels: the statement of the training table, in SQL, with the rules of time that it keeps."""
