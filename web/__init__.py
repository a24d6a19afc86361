"""The explorer as a static page: `make web` builds `web/dist`, which any web server serves as it is."""
