"""From a history to a model: what happened becomes rates, intake, values and common shocks, with reasons.

What enters: a `History`, and a table of spend if there is one. What leaves: a `Model` with its counts, notes
in words, the open pipeline, and a `Trust`: the history beside the model that was fitted to it.
Read first `calibrate` (the steps), then `counting` and `posterior` (visits, counts, rates); then `intake`
(leads to come, by the models of `structural`), `values` (amounts), `shocks` (periods that differ), `due`
(expected dates), `response` (spend); `trust` says how far to believe it all, `parts` does the same for a file
larger than memory.
"""
