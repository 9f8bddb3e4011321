"""The trusted side of a run: it starts the guest, hears its questions, decides, records, and only then answers."""
