"""The prediction service and the board: the champions behind HTTP, and one page to look at."""
