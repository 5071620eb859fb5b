import type { Activation } from './activation.js';

/** Answers an activation for which the system has no process or descriptor: `errno` names what, as `EMFILE`. */
export function refuseForLackOfResources(errno: string, activation: Activation): void {
  activation.refuse(
    { code: 'run_no_resources', detail: errno },
    `error: no process could be started: ${errno}`,
  );
}
