"""`python -m dagrun` is the command line."""

from dagrun.cli.main import main

if __name__ == "__main__":
    main()
