"""Making a copied or moved lake this home's own lake."""
