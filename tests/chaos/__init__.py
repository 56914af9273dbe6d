"""Everything around the service goes wrong while it is used: `python3 dev.py chaos`."""
