"""Running an action somewhere: in the kernel, in a process; and putting a state back into a folder."""
