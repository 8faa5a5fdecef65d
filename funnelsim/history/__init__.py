"""What happened: a company's own tables to one record of its leads, with a line for every row not used.

What enters: files, folders, archives, spreadsheets and data bases as CRMs, connectors and people write them.
What leaves: a `History`: events, attributes, the date until which all is known, and the tally of its reading.
Read first `log` (the record, its visits, open leads and wins), `read` (the front door) and `assemble` (rows
to a record). `tables` and `databases` open doors; `parse` and `vocabulary` understand cells and words;
`sources` say how each export is to be read in the words of a mapping, which `mapping_file` states and
`mapped` and `by_lead` carry out. `metrics` measures, `export` writes and sums up, `large_file` reads parts.
"""
