"""A page in the browser to look at responses and to listen: `aa1xr.explore`."""
