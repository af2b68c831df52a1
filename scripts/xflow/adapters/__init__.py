"""The outside world, one narrow port each."""
