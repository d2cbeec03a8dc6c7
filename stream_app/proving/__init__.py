"""What tries the rest: the demo, the bench, chaos. Only the command line imports it."""
