"""Feistel networks: ciphers and reversible layers by one construction.

:mod:`~headway.reversible.feistel` is the construction, over any group. Integers: :mod:`~headway.reversible.simon`
(a cipher), :mod:`~headway.reversible.permute` (shuffling by key), :mod:`~headway.reversible.avalanche` and
:mod:`~headway.reversible.trails`; they need numpy alone. Tensors: :mod:`~headway.reversible.layers` (training
without stored activations), what it costs (:mod:`~headway.reversible.memory`, :mod:`~headway.reversible.precision`,
:mod:`~headway.reversible.characters`) and how perturbations grow (:mod:`~headway.reversible.growth`); they need
torch: ``pip install 'headway[torch]'``.
"""
