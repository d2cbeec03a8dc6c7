"""Labelled posts and photos, read as rows the trainer takes. Needs the ``train`` extra (pandas, pyarrow)."""
