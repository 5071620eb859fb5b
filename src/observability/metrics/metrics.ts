import { ACTIVATION_METRICS } from './activation-metrics.js';
import { SERVER_METRICS } from './server-metrics.js';

/**
 * The metrics of this server, those of Node and the process apart, by their names; each is declared here only. The page and
 * docs/reference/metrics.md come from here.
 */
export const METRICS = { ...ACTIVATION_METRICS, ...SERVER_METRICS };

export type MetricName = keyof typeof METRICS;
