"""Kernels of earlier versions, exactly as they were released: for replay, and for nothing else.

`kernel_N/` is written by ``python -m services.controller.shipped.freeze N`` before version N + 1 begins, and
is never edited: `tests/controller/test_shipped.py` pins its checksum.
"""
