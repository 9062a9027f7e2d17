"""Simulated counterparties: a seeded broker, a market, a leader, and the FIX servers around them."""
