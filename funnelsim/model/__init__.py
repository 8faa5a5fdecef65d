"""What a funnel is: the nouns that every other floor speaks, and what a scenario does to them.

What enters: YAML files of stated funnels and scenarios, saved models, and what calibration has fitted.
What leaves: a `Model` (map, rates, intake, values, reps), stated, saved, or under a scenario's levers.
Read first `funnel` (the map), `rates` (how fast leads leave) and `model` (the whole, open deals, and what
they bring if they win); then `reps`. `statement`, `stated`, `dwell` and `units` turn what a person writes
into a model; `levers` and `scenario` say what would change; `store` keeps a model as a file.
"""
