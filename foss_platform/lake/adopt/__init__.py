"""Adopting a copied or moved lake, so that it belongs to the current home."""
