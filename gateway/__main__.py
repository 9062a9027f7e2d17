"""`python -m gateway`: the same program as `copygate`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
