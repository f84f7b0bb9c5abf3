"""The engine timed against its floors and against the ordinary way."""
