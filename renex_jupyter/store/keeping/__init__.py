"""Work on the whole store: check it, rebuild it, free space, take something out for good, move it."""
