"""The search of structures and settings: what is drawn, who runs it, what came of it."""
