"""Would a test notice?  One small mistake at a time is put into a copy of the product, and the tests that cover it run.

``python -m tests.mutation --seed 7 --count 200`` draws a sample of mistakes (mutants), tries each in a copy of the
tree, and lists those that no test noticed.  ``--only FILE:FIRST-LAST`` tries all mistakes of some lines.

- ``operators``: the mistakes of one source file.
- ``sample``: which files, which mistakes of them, and which are known to make no difference (``equivalent.yaml``).
- ``coverage``: which tests run which functions, in whatever process (``trace`` and ``plugin`` write it down).
- ``tree``: a copy of the tree with an interpreter of its own, so that nothing of the checkout is mutated or imported.
- ``trial``: one mutant against the tests that cover it, those nearest first, to the first failure.

A failing test counts only once it has been seen to pass without the mutant.
"""
