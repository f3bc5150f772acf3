"""``python -m cleverreach_async.cli``: the command where no script is on the path."""

from cleverreach_async.cli import main

if __name__ == "__main__":
    main()
