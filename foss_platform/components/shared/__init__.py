"""Helpers of all components: loading, failures, previews, plots."""
