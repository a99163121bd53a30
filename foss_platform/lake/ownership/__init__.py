"""Which catalog a lake belongs to, and refusing changes by any other."""
