"""The witness: what runs inside the guest. It sees core and what CPython has already loaded, and brings nothing along."""
