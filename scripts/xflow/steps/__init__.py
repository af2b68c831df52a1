"""Use cases, one a file; everything outside is reached through a port."""
