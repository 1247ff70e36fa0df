"""The heart: a sans-I/O machine that takes events and gives commands, and the recorder that folds its notes into a record."""
