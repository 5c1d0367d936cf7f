"""Which bundle answers a request: aliases, canaries, shadows and A/B arms."""
