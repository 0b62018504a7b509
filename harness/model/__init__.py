# SPDX-License-Identifier: GPL-2.0-only
"""An independent model of Linux's page allocator: pure Python, no I/O.

It says beforehand what the kernel's counters will be. Entry points:
`harness.forecast.predict` (a burst of requests), `harness.model.zone` (a buddy zone with real
page frame numbers), `harness.model.slowpath` (the ladder of a request), and
`harness.model.speed` (how fast the model is).
"""
