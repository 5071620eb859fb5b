/** The parts of an activation's time. */
export const PHASES = ['queue', 'start', 'run', 'total'] as const;

export type Phase = (typeof PHASES)[number];

/** What starts the process of an activation, or has it already. */
export const ENGINES = ['forkserver', 'posix_spawn', 'child_process', 'actionloop'] as const;

/** What was under way when the connection of a request ended too early. */
export const ABORT_STAGES = ['body', 'run', 'answer'] as const;

export type AbortStage = (typeof ABORT_STAGES)[number];
