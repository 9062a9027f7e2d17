"""The FIX session layer: QuickFIX, with the guards that `docs/explanation` gives reasons for."""
