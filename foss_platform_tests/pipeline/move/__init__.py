"""Tests of moving a lake."""
