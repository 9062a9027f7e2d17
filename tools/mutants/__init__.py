"""Mutants of the Rust core, all of them in one build: which of them does no test find?

`cargo mutants` builds for each mutant anew, minutes each. Here a copy of the sources gets every mutant that
it lists, and some more, each behind a number that the environment chooses. It is built once, and each mutant
is judged by the tests that reach it.

    make mutants                                # of ledger, sizing, risk and order
    python -m tools.mutants ledger --again      # only what was not found last time

Needed are cargo-mutants (`cargo install --locked cargo-mutants --version 27.1.0`) and the extra `dev`. What
it does is kept in target/mutants. It ends with 1 when one survives that equivalent.toml does not explain.
"""
