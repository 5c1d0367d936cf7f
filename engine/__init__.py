"""The engine: stages, keys, store, plan and run. It knows nothing of machine learning."""
