/** The metrics this server adds to those of Node and the process; docs/metrics.md lists them. */
export const ACTIVATIONS_TOTAL = 'hyperskeleton_activations_total';
export const ACTIVATION_SECONDS = 'hyperskeleton_activation_duration_seconds';
export const IN_FLIGHT = 'hyperskeleton_activations_in_flight';
export const QUEUED = 'hyperskeleton_activations_queued';
export const INITS_TOTAL = 'hyperskeleton_inits_total';
export const INIT_SECONDS = 'hyperskeleton_init_duration_seconds';
export const LOG_BYTES_TOTAL = 'hyperskeleton_log_bytes_total';
export const CHILD_CPU_SECONDS_TOTAL = 'hyperskeleton_child_cpu_seconds_total';
export const WORKER_THREADS = 'hyperskeleton_worker_threads';
export const WORKERS_LOST_TOTAL = 'hyperskeleton_workers_lost_total';
export const BUILD_INFO = 'hyperskeleton_build_info';
