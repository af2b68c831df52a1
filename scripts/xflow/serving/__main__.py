"""Run the prediction service: ``python -m xflow.serving``."""

from xflow.serving.server import main

if __name__ == "__main__":
    main()
