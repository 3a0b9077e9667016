"""``python -m mixpanel_data``: the command ``mixpanel-data``."""

from mixpanel_data.cli.app import main

if __name__ == "__main__":
    main()
