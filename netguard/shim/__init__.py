"""The witness: what runs inside the guest. It sees core and what CPython has loaded, and brings nothing along."""
