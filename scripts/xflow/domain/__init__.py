"""Pure modelling and data rules: no I/O, no clock, no environment."""
