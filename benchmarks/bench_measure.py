"""A small numpy decoder timed on this very machine, beside its prediction from what was measured on it.

The machine is measured first (streams, thin and large products, dispatch), then decode passes of toys of 4 to 8
layers are timed and predicted by the kernel fidelity with those rates: no constant is taken from the toys. Once on one
BLAS thread and once on all cores; threads that meet at barriers need an otherwise idle machine to be predictable. The
bar: every pass within 25%.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

BAR = 0.25


def report() -> None:
    """Measure, time, predict and print, on the threads that this process has."""
    from _timing import machine, show
    from headway.evidence.measure import measure_cpu
    from headway.evidence.toy_decoder import standard_checks

    cpu = measure_cpu()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{machine()}\n{cpu.note}; load {load:.1f}")
    rates = f"bandwidth {cpu.bandwidth / 1e9:.1f} GB/s, products {cpu.rate / 1e9:.0f} GFLOP/s"
    print(f"{rates}, one small operation {show(cpu.dispatch)}")
    print(f"\n{'layers':>6} {'hidden':>6} {'batch':>5} {'context':>7}  {'measured':>9}  {'predicted':>9}  {'error':>6}")
    checks = standard_checks(cpu)
    for c in checks:
        s = c.shape
        seconds = f"{show(c.measured):>9}  {show(c.predicted):>9}"
        print(f"{s.layers:6} {s.hidden:6} {c.batch:5} {c.context:7}  {seconds}  {c.error:+6.0%}")
    errors = [abs(c.error) for c in checks]
    within = sum(e <= BAR for e in errors)
    print(
        f"\nmedian error {statistics.median(errors):.0%}, largest {max(errors):.0%}; {within} of {len(errors)} within "
        f"{BAR:.0%}: {'met' if within == len(errors) else 'MISSED'}\n"
    )


def main() -> None:
    """Run the report in a process of its own for each number of threads: BLAS reads it when it loads."""
    if sys.argv[1:] == ["--here"]:
        report()
        return
    for threads in dict.fromkeys(("1", str(os.cpu_count() or 1))):
        own = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        subprocess.run([sys.executable, __file__, "--here"], env=os.environ | own, check=True)


if __name__ == "__main__":
    main()
