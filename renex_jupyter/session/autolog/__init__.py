"""What training libraries do, logged by itself: off until `autolog` is called, undone by it, never in the way."""
