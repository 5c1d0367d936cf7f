"""The ops: one transform each, defined once with its fit, its two twins and its null rule.

`op` says what an op is, `catalog` lists all by the name that documents use. Users take the
constructors from `dagrun.stages.features`, where ops become a fitted spec.
"""
