"""The page without a server: `make web` builds `web/dist`, which any web server can serve."""
