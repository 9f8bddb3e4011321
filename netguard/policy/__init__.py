"""From a person's rule file to a compiled policy: read, checked and explained here, decided on in `core`."""
