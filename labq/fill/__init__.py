"""A database filled with the life of a lab that never was: for benchmarks, tests and trials.

`profile` says how large, `cast` who and what there is, `story` what happened; all of that is pure and
follows from the seed. `tables` tells it as rows, `load` brings them into the database.
"""
