"""Faults in the middle of maintenance."""
