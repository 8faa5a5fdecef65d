"""The page that keeps answering: in come a contract of numbers, out goes one file that needs no network.

`document.py` joins `engine.js` and `distribution.js` (numbers only), `view.js` and `charts.js` (what is
seen), `main.js` (which joins the two), `live.css` and `words.json` (every word, by language). Begin with
`main.js`.
"""
