"""Ways to fuse the modality vectors of a post into one: the paper's graph and the three it is compared with.

Every fusion is a module from aligned vectors [b, N, D] (see :mod:`model.fusion.align`) and a presence mask [b, N] to a
fused vector [b, ``fused_width``] and, for the improved graph, the weights that explain it.
"""
