"""From a model to the lives of its leads: the same lives, row for row, by a compiled engine and by SimPy.

What enters: a `Model`, open deals, a seed. What leaves: a `Run`, whose log is itself a history, or `Sums`
of many replications by period.
Read first `run` (the doors), `luck` (every random number) and `step` (one move of one lead); then `births`
(who comes) and `simpy_engine` (the engine to read and to change). `compiled` lives lives that never meet;
`crew`, `agenda` and `queues` those that wait for reps; `record` keeps what happened, `with_reps` puts reps
into a fitted model, `jit` compiles.
"""
