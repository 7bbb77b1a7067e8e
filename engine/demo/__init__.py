"""The demo: one command that generates a world, loads it, trains, answers and writes a report. Uses the client alone."""
