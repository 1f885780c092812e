"""Estimation of what no publisher gives: flows between economies and an input-output table, from published margins.

    gravity         which pairs trade much: distance, borders, languages, agreements; coefficients by Poisson regression
    biproportional  the matrix closest to a prior that has the published row and column totals
    production      an input-output table that balances, from trade, GDP and a world technology
    closeness       how far an estimate is from the truth, where the truth is known
    rebuild         makes the small published facts in data/sample again from the publishers' own files

Nothing here is observed: every cell made by this package has basis `estimated`.
"""
