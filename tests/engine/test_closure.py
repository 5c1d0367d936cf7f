"""Edits that must keep a stage's code version, and edits that must change it, and where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
