"""The folder of this repository, which is also a project of the platform."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]
