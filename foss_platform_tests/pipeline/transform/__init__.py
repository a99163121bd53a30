"""Tests of what dbt builds."""
