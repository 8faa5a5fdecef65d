"""From model and open deals to answers: revenue, comparisons, budgets, and how good forecasts were.

What enters: whatever the user has; `situation` makes of it a history, a model, open deals and periods.
What leaves: `Forecast`, `Comparison`, `Search`, `Plan`, `Record`: frames, a sentence and a small table each.
Read first `periods` and `situation`; then the three steps of a forecast: `exact` (chances by one backward
pass; `by_date` where leads win at a stated date), `distribution` (coins and compound Poisson by Fourier
transform), `forecast`. `split` looks at its parts; `compare` with `attribution`, `seek` and `budget` ask what
would change, `live` lets a page ask; `baselines`, `scores` and `backtest` judge it; `outputs` writes it for
other programs, and `kept` for the next question.
"""
