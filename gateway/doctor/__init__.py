"""`copygate doctor`: is this machine fit for a deployment, and is the deployment well?

`gather.py` looks and measures, and changes nothing; `facts.py` says what it found; `checks.py` and
`checks_running.py` judge that and nothing else; `report.py` prints it.
"""
