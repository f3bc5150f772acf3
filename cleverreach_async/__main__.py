"""``python -m cleverreach_async``: the command if its script is not on the path."""

from cleverreach_async.cli import main

if __name__ == "__main__":
    main()
