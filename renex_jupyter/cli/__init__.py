"""The command line, and the verbs that it shares with `%renex`."""
