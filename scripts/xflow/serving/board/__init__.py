"""The board: one page to look at the pipelines, and the mart's answers behind it."""
