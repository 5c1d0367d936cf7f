"""Tables as values: their digest, their order, and writing them batch by batch."""
