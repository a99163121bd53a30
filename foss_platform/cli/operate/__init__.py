"""Commands for operators: validate, cleanup, move, parity."""
