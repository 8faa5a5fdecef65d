"""From frames to what people read: words, tables, charts, pages. Knows nothing of funnels.

What enters: frames and names. What leaves: a terminal's table, an Altair chart, a self-contained page.
Read first `words` (how a number is said, how a cell is written), then `terminal`, `page`, and `charts/`,
where a chart is added. Whatever writes a number takes it from `words`, so that it reads the same everywhere.
"""
