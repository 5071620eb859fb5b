import { hasPrometheus } from '../../grafana/verify/prometheus.js';

/**
 * Whether the tests that need Prometheus are to be skipped: where it can't be had, but never in CI, where they fail
 * instead.
 */
export function withoutPrometheus(): boolean {
  if (hasPrometheus() || process.env.CI === 'true') return false;
  process.stderr.write(
    "skipped: this needs Debian's package prometheus; scripts/test-prerequisites.sh installs it as root\n",
  );
  return true;
}
