"""The Open Inference Protocol V2 and the typed service of each model, beside `dagrun.v1`."""
