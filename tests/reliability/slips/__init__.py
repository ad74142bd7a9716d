"""The mistakes that people make, one module for each part of the package."""
