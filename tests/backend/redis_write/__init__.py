"""Redis writes: what is special to the scripts that change something."""
