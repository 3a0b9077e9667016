"""What builds and checks the site of the documentation: `make docs`."""
