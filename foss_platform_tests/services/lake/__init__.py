"""Tests of the lake over real catalogs and object stores."""
