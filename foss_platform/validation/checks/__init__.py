"""The checks of `foss validate`, one module per service."""
