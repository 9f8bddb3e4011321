"""What many tests need: loopback servers, a namespace nothing can leave, interpreters, a guarded run."""
