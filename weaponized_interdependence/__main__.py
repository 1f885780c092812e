"""`python -m weaponized_interdependence ...` does what `wi ...` does."""

from weaponized_interdependence.cli import main

if __name__ == "__main__":
    main()
