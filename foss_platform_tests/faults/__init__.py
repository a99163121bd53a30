"""What happens when feeds, disks, catalogs or runs fail: faults that are really injected.

`make test` runs a short, seeded form, `make faults` the full one (`pytest --faults full`).
"""
