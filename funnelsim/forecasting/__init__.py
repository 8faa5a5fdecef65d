"""From model and open deals to answers: revenue, comparisons, budgets, and how good forecasts were.

What enters: whatever the user has; `situation` makes of it a history, a model, open deals and periods.
What leaves: `Forecast`, `Comparison`, `Plan`, `Record`, each with frames, a sentence and a small table.
Read first `periods` and `situation`; then the three steps of a forecast: `exact` (chances by one backward
pass; `by_date` where leads win at a stated date), `distribution` (coins and compound Poisson by Fourier
transform), `forecast`. `deals` and `split` look at its parts; `compare` and `budget` ask what would change;
`baselines`, `scores`, `width` and `backtest` judge it; `outputs` writes it for other programs.
"""
