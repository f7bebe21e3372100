"""``python -m braincodec``: the command line of this very Python, also where its scripts are not on the path."""

from braincodec.cli.app import main

if __name__ == "__main__":
    main()
