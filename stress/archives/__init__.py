"""Damaged archives: how they are made, and a second reader that says what they mean."""
