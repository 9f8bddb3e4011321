"""What makes the pages and files that are made from the code; `docs/make_reference.py` lists and writes them."""
