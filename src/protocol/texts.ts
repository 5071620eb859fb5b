/** The texts that clients and log readers of the contract compare with (CONTRACT: fixed texts). */
export const MESSAGE_TWICE = 'Cannot initialize the action more than once.';
export const MESSAGE_INIT = 'The action failed to generate or locate a binary. See logs for details.';
export const MESSAGE_NO_BINARY = 'The action failed to locate a binary. See logs for details.';
export const MESSAGE_ARGUMENTS = 'The action did not receive a dictionary or array as an argument.';
export const MESSAGE_RESULT = 'The action did not return a dictionary or array.';
export const MESSAGE_DEFAULT_ACTION = 'This is a stub action. Replace it with custom logic.';

/** Those of the ActionLoop protocol (C-AL-01 to C-AL-23). */
export const MESSAGE_NO_CODE = 'Missing main/no code to execute.';
export const MESSAGE_NO_ACTION = 'no action defined yet';
export const MESSAGE_EXITED = 'command exited';
export const MESSAGE_START_LOGGED = 'Cannot start action. Check logs for details.';

/** Those of Knative mode (C-KN-01 to C-KN-21). */
export const MESSAGE_NOT_OBJECT = 'The action did not receive a dictionary as an argument.';
export const MESSAGE_DEDICATED = 'Cannot initialize a runtime with a dedicated function.';

/** The line that ends an activation's log, once on stdout and once on stderr (C-LOG-01). */
export const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
